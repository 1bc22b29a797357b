# ! first line
# c1 before the first statement
# c2 inside a statement
path {
  certificate = "certs" # c3 behind a statement
}

path {
  certificate = "other" # c4 behind what replaces it
}

# c5 before a statement that is not carried over
# Not carried over: pfkey_buffer: belongs in the block of the plugin: plugin "kernel" "pfkey" { config { pfkey_buffer = NUMBER } }
# c6 behind it
# Not carried over: privsep: keys and the kernel are held by plugin processes of their own, which is how racoon separates privileges
# c10 behind it
# c7 behind its brace
# c8 in it
# c9 at its end

# c11 a paragraph
# c12 before a block
remote "a" { # c32 behind a block
  # c13 in a header
  # c14 behind a brace
  # c15 before
  exchange_mode = ["main", "base"]
  # c16 inside a list
  # c17 on a line of its own
  # c18 behind a list
  # c19 behind what is replaced
  # c20 before what replaces it
  nonce_size = 32 # c21 behind what replaces it
  # c23 another
  peers_identifier  = [{ fqdn = "a" }, { fqdn = "b" }] # c22 one of several
  verify_identifier = true

  proposal { # c27 behind a nested block
    # c24 nested
    encryption_algorithm  = "aes"
    hash_algorithm        = "sha256" # c25 behind two
    authentication_method = "pre_shared_key"
    dh_group              = 14
    # c26 at the end of a block
  }

  shared_secret {
    use = "file:/secrets/x-1.secret" # c28 in a group
  }

  # c29 before a directive of several words
  script { # c30 behind it
    file  = "up"
    event = "phase1_up"
  }
  # c31 at the end
}

# c33 between
remote "b" { # c34 behind a section without a block
  inherit = "a"
}

sainfo { # c40
  # c35
  # c36 before what is missing in HCL's words
  # c38
  encryption_algorithm     = ["aes", "3des"] # c37
  authentication_algorithm = ["hmac_sha1"]
  compression_algorithm    = ["deflate"] # c39
}

listen {
  # c41
  # c42 nothing else
}

include { # c43 octets that are no UTF-8: � c44
  file = "none-*"
}
# c45 the end

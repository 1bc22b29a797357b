# Texts: heredocs, escapes, templates that are none, and letters beyond ASCII.
path {
  pre_shared_key = trimspace(<<PSK
/etc/racoon/psk.txt
PSK
  )
  certificate = chomp(<<-DIR
    /etc/certs
  DIR
  )
  script = "/etc/$${not a template}/%%{nor this}/a\tb\\c\"d\u00e9\U0001F600"
}
remote "tabs\tand\nlines" {
  exchange_mode = ["main"]
  my_identifier = { keyid = <<-EOT
    first line
      second line
  EOT
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
remote "København" {
  exchange_mode = ["main"]
  my_identifier = {
    # an object may be written like this
    user_fqdn : "münchen@example.org"
  }
  peers_identifier = [
    { fqdn = "a.example.org" }, // with a comment
    /* or two */
    { fqdn = "b.example.org" },
  ]
  verify_identifier = true
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}

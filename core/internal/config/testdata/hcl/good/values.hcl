# Each kind of value in each of its forms.
path {
  pre_shared_key = "psk.txt"
}
padding {
  maximum_length = 0
}
timer {
  counter  = 1e1
  persend  = 2.0
  interval = "15s"
  phase1   = "2m"
  phase2   = "1 hour"
}
listen {
  isakmp      = "192.0.2.1"
  isakmp_natt = ["[2001:db8::1]:4500", "[fe80::1%eth0]:4500"]
}
remote "192.0.2.2" {
  exchange_mode    = ["main"]
  peers_identifier = { fqdn = "one.example.org" }
  nat_traversal    = false
  ike_frag         = "force"
  generate_policy  = true
  verify_identifier = true
  lifetime          = "90 minutes"
  proposal {
    encryption_algorithm  = "aes 192"
    hash_algorithm        = "sha2_256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
  proposal {
    encryption_algorithm  = "aes"
    hash_algorithm        = "sha384"
    authentication_method = "pre_shared_key"
    dh_group              = "14"
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha512"
    authentication_method = "pre_shared_key"
    dh_group              = "modp4096"
  }
}
sainfo {
  pfs_group                = "x25519"
  encryption_algorithm     = "aes_gcm_16 256"
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = "deflate"
}

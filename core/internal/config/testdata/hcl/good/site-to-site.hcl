// Two sites, one tunnel, a pre-shared key: what most people need.
path {
  pre_shared_key = "psk.txt"
}

log {
  level = "info"
}

remote "198.51.100.1" {
  exchange_mode     = ["main"]
  my_identifier     = { address = "192.0.2.1" }
  peers_identifier  = [{ address = "198.51.100.1" }]
  verify_identifier = true
  nat_traversal     = true

  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = "ecp256"
  }
}

sainfo {
  local                    = "10.1.0.0/16"
  remote                   = "10.2.0.0/16"
  pfs_group                = "ecp256"
  lifetime                 = "1 hour"
  encryption_algorithm     = ["aes_gcm_16 256"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}

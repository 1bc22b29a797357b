# Clients with XAUTH, addresses from a pool.
path {
  pre_shared_key = "psk.txt"
}
mode_cfg {
  network4    = "10.99.0.1"
  netmask4    = "255.255.255.0"
  pool_size   = 250
  dns4        = ["10.0.0.53"]
  auth_source = "system"
  save_passwd = false
}
remote "anonymous" {
  exchange_mode   = ["main"]
  my_identifier   = { fqdn = "vpn.example.org" }
  passive         = true
  proposal_check  = "claim"
  generate_policy = true
  nat_traversal   = true
  dpd_delay       = 20
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "xauth_psk_server"
    dh_group              = "modp2048"
  }
}
sainfo {
  remote                   = "clientaddr"
  pfs_group                = "modp2048"
  encryption_algorithm     = ["aes 256"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}

# Times and numbers out of the ordinary.
timer {
  interval       = "10"
  phase1         = "10 days"
  phase2         = "1h30m"
  natt_keepalive = "-1 sec"
  counter        = 0
  persend        = 1000000
}
remote "192.0.2.1" {
  exchange_mode = ["main"]
  lifetime      = "0 sec"
  nonce_size    = 4
  dpd_delay     = "30 sec"
  dpd_maxfail   = 99999999999
  ph1id         = 0.5
  proposal {
    encryption_algorithm  = "aes 257"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
    lifetime              = "8 hours of work"
  }
  proposal {
    encryption_algorithm  = "aes 99999999999999999999"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 99
    lifetime              = "99999999999 hour"
  }
}
sainfo {
  lifetime                 = "1 fortnight"
  pfs_group                = 14
  encryption_algorithm     = ["aes 256"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}

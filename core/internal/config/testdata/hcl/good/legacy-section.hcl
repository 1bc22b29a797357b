# Legacy algorithms in one section each, wherever allow_legacy stands in it, and one
# that ends soon.
path {
  pre_shared_key = "psk.txt"
}
remote "192.0.2.9" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "md5"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
  allow_legacy = "2027-01-31"
}
sainfo {
  pfs_group                = 14
  encryption_algorithm     = ["aes 256"]
  authentication_algorithm = ["hmac_md5"]
  compression_algorithm    = ["deflate"]
  allow_legacy             = "2026-12-01"
}

# allow_legacy that is over, wrong, near, or in the wrong place.
allow_legacy = "2026-11-23"
remote "192.0.2.1" {
  exchange_mode = ["main"]
  proposal {
    allow_legacy          = "2027-01-01"
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "md5"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
  allow_legacy = "2027-02-30"
}
remote "192.0.2.2" {
  allow_legacy  = "2026-12-01"
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "md5"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
remote "192.0.2.3" {
  allow_legacy  = true
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
sainfo {
  allow_legacy             = "24.12.2027"
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["hmac_md5"]
  compression_algorithm    = ["deflate"]
}
sainfo {
  local                    = "10.0.0.0/8"
  allow_legacy             = ["2027-01-01"]
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}
timer {
  allow_legacy = "2027-01-01"
}

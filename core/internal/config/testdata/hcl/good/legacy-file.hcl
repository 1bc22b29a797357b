# Legacy algorithms in the whole file.
allow_legacy = "2027-11-24"
path {
  pre_shared_key = "psk.txt"
}
remote "192.0.2.9" {
  exchange_mode = ["main", "aggressive"]
  proposal {
    encryption_algorithm  = "3des"
    hash_algorithm        = "md5"
    authentication_method = "pre_shared_key"
    dh_group              = "modp1024"
  }
}
sainfo {
  pfs_group                = 2
  encryption_algorithm     = ["3des", "blowfish 448"]
  authentication_algorithm = ["hmac_md5"]
  compression_algorithm    = ["deflate"]
}

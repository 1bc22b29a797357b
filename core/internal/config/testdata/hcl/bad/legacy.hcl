# Legacy algorithms without allow_legacy.
remote "192.0.2.1" {
  exchange_mode  = ["main", "aggressive"]
  proposal_check = "obey"
  proposal {
    encryption_algorithm  = "3des"
    hash_algorithm        = "md5"
    authentication_method = "pre_shared_key"
    dh_group              = 2
  }
  proposal {
    encryption_algorithm  = "blowfish 128"
    hash_algorithm        = "sha1"
    authentication_method = "pre_shared_key"
    dh_group              = "modp1024"
  }
}
remote "192.0.2.2" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "des"
    hash_algorithm        = "sha256"
    authentication_method = "rsaenc"
    dh_group              = 22
  }
}
sainfo {
  pfs_group                = "modp768"
  encryption_algorithm     = ["cast128", "twofish", "camellia", "null_enc", "rc4"]
  authentication_algorithm = ["hmac_md5", "non_auth"]
  compression_algorithm    = ["deflate"]
}
sainfo {
  local                    = "10.0.0.0/8"
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["non_auth"]
  compression_algorithm    = ["deflate"]
}

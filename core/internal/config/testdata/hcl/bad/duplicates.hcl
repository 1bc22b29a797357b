# What is there twice.
complex_bundle = true
complex_bundle = false
allow_legacy   = "2027-01-01"
allow_legacy   = "2027-01-02"
path {
  certificate = "/a"
  certificate = "/b"
}
locals {
  a = 1
  a = 2
}
remote "x" {
  remote_address = "192.0.2.1"
  exchange_mode  = ["main"]
  exchange_mode  = ["base"]
  nonsense       = 1
  proposal {
    encryption_algorithm  = "aes 256"
    encryption_algorithm  = "aes 128"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
remote "x" {
  inherit = "x"
}
sainfo {
  local                    = "10.0.0.0/8"
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}
sainfo {
  local                    = "10.0.0.0/8"
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}

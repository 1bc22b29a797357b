# What has no place in HCL.
privsep {
  user = "nobody"
}
pfkey_buffer = 512
gss_id_enc   = "latin1"
identifier {
  fqdn = "gw.example"
}
listen {
  admin = 7002
}
timer {
  auto_exit_delay = "10 sec"
}
remote "192.0.2.1" {
  exchange_mode = ["main"]
  esp_frag      = 552
  support_mip6  = true
  dh_group      = 14
  lifetime {
    time = "8 hour"
    byte = 100
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
    gss_id                = "x"
    strength              = "high"
  }
  my_identifier = { certname = "C=NO" }
}
sainfo {
  my_identifier            = "address"
  identifier               = "address"
  nbns4                    = ["10.0.0.1"]
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}

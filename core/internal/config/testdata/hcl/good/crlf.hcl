path {
  pre_shared_key = "psk.txt" # with CRLF
}
/* two
   lines */
log {
  level = "debug"
}
remote "192.0.2.2" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}

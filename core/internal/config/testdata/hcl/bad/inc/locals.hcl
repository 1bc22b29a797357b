remote "192.0.2.3" {
  exchange_mode = ["main"]
  nonce_size    = local.a
  passive       = on

kernel = "pfkey"
plugin "auth" "psk" {}
locals {
  a = 1
}
allow_legacy = "2027-06-30"
remote "192.0.2.1" {
  exchange_mode = ["main"]
  nonce_size    = local.a
}

# A string that is never closed: what is behind it is read, and not shown.
timer {
  counterr = 1
}
path {
  certificate = "/etc/certs
  script      = "/etc/racoon"
}
remote "192.0.2.1" {
  exchange_mode = ["mian"]
  nonce_size    = "16"
}

# One brace is missing: the file is read on behind it.
path {
  pre_shared_key = "/etc/racoon/psk.txt"
}
remote "192.0.2.1" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
}
remote "192.0.2.2" {
  inherit = "192.0.2.1"
  nonsens = 1
}
timer {
  counterr = 1
}

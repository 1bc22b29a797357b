# Where the order counts: a path changes between sections, a later block changes an
# earlier one, locals come at the end.
path {
  certificate    = "old"
  pre_shared_key = "psk.txt"
}
remote "a" {
  exchange_mode = ["main"]
  ca_type {
    x509 = "ca.pem"
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
path {
  certificate = local.new
}
remote "b" {
  exchange_mode = ["main"]
  ca_type {
    x509 = "ca.pem"
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
timer {
  counter = 7
}
timer {
  counter = 8
}
log {
  level = "debug"
}
log {
  level = "info"
}
locals {
  new = "new"
}

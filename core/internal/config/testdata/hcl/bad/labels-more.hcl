# Labels where there is none, and names of which only one may be.
sainfo "anonymous" {
  encryption_algorithm = ["aes"]
}
sainfo "10.0.0.0/8" "10.1.0.0/16" {
  encryption_algorithm = ["aes"]
}
timer "slow" {
  counter = 5
}
path "certificate" {
  certificate = "/etc/certs"
}
log "info" {}
listen all {
  strict_address = true
}
radiuscfg {
  auth "radius.example" {
    secret = "file:/etc/racoon/a.secret"
  }
}
remote "a" {
  exchange_mode = ["main"]
  proposal "first" {
    encryption_algorithm = "aes 256"
  }
  shared_secret "use" {
    use = "file:/etc/racoon/a.secret"
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
remote "a" {
  inherit = "a"
}
remote "b" {
  inherit = "nobody"
}
remote "192.0.2.1" {
  inherit = "a"
}
remote "c" {
  inherit = "192.0.2.1"
}
remote "d" {
  named   = "maybe"
  inherit = ["a"]
}
locals "x" {
  a = 1
}

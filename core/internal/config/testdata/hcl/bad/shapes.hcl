# An attribute where a block belongs, and the other way round.
path = "/etc/racoon"
log  = "info"
timer = {
  counter = 5
}
listen  = ["192.0.2.1"]
remote  = "192.0.2.1"
sainfo  = {}
include = "peers/*.hcl"
complex_bundle {
  enabled = true
}
complex_bundle = true

listen {
  adminsock = "/run/racoon.sock"
  isakmp {
    address = "192.0.2.1"
  }
  strict_address {}
}

mode_cfg {
  split_network = ["10.0.0.0/8"]
  network4 {}
}

remote "192.0.2.1" {
  exchange_mode {
    main = true
  }
  my_identifier {
    fqdn = "gw.example"
  }
  proposal         = { encryption_algorithm = "aes 256" }
  certificate_type = "x509"
  shared_secret    = "file:/etc/racoon/a.secret"
  script           = "/etc/racoon/up.sh"
  inherit {
    from = "x"
  }
  named {}
}

sainfo {
  local {
    address = "10.0.0.0/8"
  }
  allow_legacy {}
}

radiuscfg {
  auth = "radius.example"
  auth {
    host {
      name = "radius.example"
    }
    secret = "file:/etc/racoon/radius.secret"
  }
}

# Unknown words at every level.
paths {
  certificate = "/etc/certs"
}
pathh = "x"
Log {
  level = "info"
}
kernal = "xfrm"
pluginn "auth" "psk" {}
local {
  a = 1
}
nonsense = 1
complex-bundle = true

path {
  certificates   = "/etc/certs"
  pre-shared-key = "/etc/psk.txt"
  nonsense       = 1
  nested {
    a = 1
  }
}

log {
  levels = "info"
}

log {
  level = "warn"
}

padding {
  randomise      = true
  maximum_length = 20
}

listen {
  isakamp = ["192.0.2.1"]
  adminsock {
    pathh    = "/run/x.sock"
    disabled = true
  }
  adminsock {
    disable = true
  }
  adminsock {
    path = "/run/x.sock"
    moed = 600
    user = "root"
  }
}

timer {
  counters = 5
  interval = "10 secs"
}

radiuscfg {
  auth {
    hostname = "radius.example"
    prot     = 1812
    secret   = "file:/etc/racoon/radius.secret"
  }
  retry = 2
}

mode_cfg {
  network = "10.0.0.1"
  split_network {
    includes = ["10.0.0.0/8"]
  }
  split_networks {
    include = ["10.0.0.0/8"]
  }
}

remote "192.0.2.1" {
  exchange_modes = ["main"]
  exchange_mode  = ["mian"]
  my_identifier  = { fqnd = "gw.example" }
  proposals {
    lifetime = "1 hour"
  }
  proposal {
    encryption          = "aes 256"
    encription_algoritm = "aes 256"
    hash_algorithm      = "sha265"
    lifetime_time       = "1 hour"
  }
  certificate_type {
    x508 {
      certificate = "a.pem"
    }
    x509 {
      certificate = "a.pem"
      key_file    = "a.key"
    }
  }
  shared_secret {
    uses = "file:/etc/racoon/a.secret"
  }
  pfs_group = 14
  local     = "10.0.0.0/8"
  isakmp    = ["192.0.2.1"]
  plugin    = "auth"
}

sainfo {
  locale               = "10.0.0.0/8"
  pfs_grup             = 14
  encryption_algorithm = ["ase"]
  exchange_mode        = ["main"]
  proposal {
    lifetime = "1 hour"
  }
}

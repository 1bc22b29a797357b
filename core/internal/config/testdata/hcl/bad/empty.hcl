# Empty lists, strings and blocks.
path {
  certificate = ""
}
include {}
include {
  file = ""
}
listen {
  isakmp = []
}
mode_cfg {
  dns4      = []
  split_dns = []
}
remote "192.0.2.1" {
  exchange_mode    = []
  peers_identifier = []
  my_identifier    = { fqdn = "" }
  script {}
  shared_secret {
    use = ""
  }
  proposal {}
}
remote "192.0.2.2" {}
sainfo {
  encryption_algorithm = []
}
sainfo {
  local = ""
}
radiuscfg {
  auth {}
  acct {
    host = "radius.example"
  }
}

# Locals, templates, functions, for and conditions.
locals {
  site    = "oslo"
  number  = 3
  modern  = true
  hosts   = ["gw", "backup"]
  nets    = { office = "10.1.0.0/16", lab = "10.2.0.0/16" }
  minutes = local.number * 10
}
locals {
  names = [for h in local.hosts : "${h}.${local.site}.example.org"]
}
path {
  pre_shared_key = join("/", ["", "etc", "racoon", "psk.txt"])
  certificate    = format("/etc/%s/%03d", local.site, local.number)
}
log {
  level = local.modern ? "info" : "debug"
}
timer {
  counter  = max(local.number, 5)
  interval = "${local.minutes} sec"
  phase1   = "%{if local.modern}45 sec%{else}30 sec%{endif}"
}
listen {
  isakmp         = [for n in range(1, 4) : "192.0.2.${n}"]
  isakmp_natt    = concat(["192.0.2.1:4500"], ["192.0.2.2:4500"])
  strict_address = !local.modern
}
mode_cfg {
  split_network {
    include = values(local.nets)
  }
  split_dns = distinct(["a.example", "b.example", "a.example"])
  dns4      = slice(["10.0.0.1", "10.0.0.2", "10.0.0.3"], 0, 2)
}
remote "peer" {
  exchange_mode     = [local.modern ? "main" : "base"]
  my_identifier     = { fqdn = local.names[0] }
  peers_identifier  = [for n in local.names : { fqdn = upper(n) } if n != "gw.oslo.example.org"]
  verify_identifier = local.modern && true
  lifetime          = "${1 + 1} hour"
  nonce_size        = (8 + 8) * 2
  proposal {
    encryption_algorithm  = "aes ${128 * 2}"
    hash_algorithm        = lower("SHA256")
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
sainfo {
  local                    = local.nets.office
  remote                   = local.nets["lab"]
  pfs_group                = 14
  encryption_algorithm     = compact(["aes 256", "", "aes 128"])
  authentication_algorithm = split(",", "hmac_sha256,hmac_sha512")
  compression_algorithm    = ["deflate"]
}

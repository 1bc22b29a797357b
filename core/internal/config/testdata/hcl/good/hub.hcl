# A hub with many branches: one parent, one file for each branch.
locals {
  domain   = "example.org"
  internal = "10.0.0.0/8"
}

kernel = "xfrm"

path {
  pre_shared_key = "psk.txt"
}

listen {
  isakmp         = ["192.0.2.1", "[2001:db8::1]:500"]
  isakmp_natt    = ["192.0.2.1:4500"]
  strict_address = true
}

timer {
  counter        = 8
  interval       = "15 sec"
  natt_keepalive = "30s"
}

remote "branch" {
  exchange_mode     = ["main"]
  my_identifier     = { fqdn = "hub.${local.domain}" }
  verify_identifier = true
  passive           = true

  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
    lifetime              = "8 hour"
  }
}

include {
  file = "inc/branch-*.hcl"
}

include { file = "inc/old.conf" }

sainfo {
  local                    = local.internal
  pfs_group                = 14
  lifetime                 = "30 min"
  encryption_algorithm     = ["aes 256", "aes 128"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}

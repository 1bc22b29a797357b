# Headers of sainfo that cannot be.
sainfo {
  local                    = "10.0.0.0/33"
  pfs_group                = 14
  encryption_algorithm     = ["aes"]
  authentication_algorithm = ["hmac_sha256"]
  compression_algorithm    = ["deflate"]
}
sainfo {
  profile = "fritzbox"
  local  = "clientaddr"
  remote = "10.0.0.0/8[http]"
}
sainfo {
  profile = "fritzbox"
  local  = "10.0.0.9-10.0.0.1"
  remote = "10.0.0.0/8 tpc"
}
sainfo {
  profile = "fritzbox"
  local  = "10.0.0.1[80] icmp"
  remote = { asn1dn = "C=NO" }
}
sainfo {
  profile = "fritzbox"
  local = { fqdn = "" }
  from  = "fqnd"
}
sainfo {
  profile = "fritzbox"
  local = "10.0.0.0/8 tcp 80"
  from  = { fqdn = "peer.example" }
  group = "vpn"
}
sainfo {
  profile = "fritzbox"
  local = "anonymus"
}
sainfo {
  profile = "fritzbox"
  local = { address = "10.0.0.1" }
}
sainfo {
  profile = "fritzbox"
  local = { subnet = "10.0.0.0/8" }
}
sainfo {
  profile = "fritzbox"
  local = "gw.example"
}

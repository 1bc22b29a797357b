# Every header of sainfo; the profile is there for the rest.
path {
  pre_shared_key = "psk.txt"
}
sainfo {
  profile = "fritzbox"
}
sainfo {
  local   = "anonymous"
  remote  = "clientaddr"
  profile = "fritzbox"
}
sainfo {
  remote  = "10.1.0.1"
  profile = "fritzbox"
}
sainfo {
  local   = "10.0.0.1"
  profile = "fritzbox"
}
sainfo {
  local   = "10.0.0.2"
  remote  = "clientaddr"
  profile = "fritzbox"
}
sainfo {
  local   = "10.0.0.0/24"
  remote  = "10.1.0.0/24"
  profile = "fritzbox"
}
sainfo {
  local   = "10.0.0.0/25[1701] udp"
  remote  = "10.1.0.0/25[any] 17"
  profile = "fritzbox"
}
sainfo {
  local   = "10.0.0.10-10.0.0.19"
  remote  = "10.1.0.10-10.1.0.19[80] tcp"
  profile = "fritzbox"
}
sainfo {
  local   = "2001:db8::/64"
  remote  = "2001:db8:1::/64 icmp6"
  profile = "fritzbox"
}
sainfo {
  local   = { fqdn = "gw.example.org" }
  remote  = { user_fqdn = "peer@example.org" }
  profile = "fritzbox"
}
sainfo {
  local   = { keyid = "group-1" }
  from    = { address = "192.0.2.7" }
  profile = "fritzbox"
}
sainfo {
  from    = { fqdn = "peer.example.org" }
  profile = "fritzbox"
}
sainfo {
  from     = "address"
  profile  = "fritzbox"
  remoteid = 3
}
sainfo {
  group   = "vpn users"
  profile = "fritzbox"
}

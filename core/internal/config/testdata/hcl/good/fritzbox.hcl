# A FRITZ!Box: the profile knows what it needs.
path {
  pre_shared_key = "psk.txt"
}
remote "home" {
  profile           = "fritzbox"
  remote_address    = "203.0.113.7"
  my_identifier     = { fqdn = "gw.example.org" }
  peers_identifier  = [{ fqdn = "home.example.org" }]
  verify_identifier = true
}
sainfo {
  local   = "10.0.0.0/16"
  remote  = "192.168.178.0/24"
  profile = "fritzbox"
}
# Its own lists replace those of the profile.
sainfo {
  local                = "10.1.0.0/16"
  remote               = "192.168.179.0/24"
  encryption_algorithm = ["aes 128"]
  profile              = "fritzbox"
}

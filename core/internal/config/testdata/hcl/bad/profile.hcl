# Profiles unknown, too late, of the wrong type or in the wrong place.
profile = "fritzbox"
path {
  pre_shared_key = "psk.txt"
}
remote "192.0.2.1" {
  profile = "fritz"
}
remote "192.0.2.2" {
  profile = ["fritzbox"]
}
remote "192.0.2.3" {
  profile = "cisco"
}
remote "192.0.2.4" {
  profile = 5
}
sainfo {
  profile = "fritzboks"
}

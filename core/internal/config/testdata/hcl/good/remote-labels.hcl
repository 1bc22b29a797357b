# Every form of label, and of inherit.
path {
  pre_shared_key = "psk.txt"
}
remote "anonymous" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
remote "anonymous[4500]" {
  inherit = "anonymous"
}
remote "192.0.2.1" {
  inherit = "anonymous[4500]"
}
remote "192.0.2.1:4500" {
  inherit = "192.0.2.1"
}
remote "192.0.2.2[4500]" {
  inherit = "192.0.2.1"
}
remote "203.0.113.0/24" {
  inherit = "192.0.2.2[4500]"
}
remote "203.0.113.0/25[500]" {
  inherit = "203.0.113.0/24"
}
remote "2001:db8::1" {
  inherit = "203.0.113.0/25[500]"
}
remote "[2001:db8::2]:4500" {
  inherit = "2001:db8::1"
}
remote "fe80::1%eth0" {
  inherit = "2001:db8::1"
}
remote "Zürich, Haus 7 (\"alt\")" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
remote gateway {
  inherit        = "Zürich, Haus 7 (\"alt\")"
  remote_address = "192.0.2.3"
}
# Names that read as something else.
remote "192.0.2.1" {
  named          = true
  inherit        = "gateway"
  remote_address = "192.0.2.4"
}
remote "anonymous" {
  named          = true
  inherit        = "192.0.2.1"
  remote_address = "192.0.2.5"
}
remote "plain" {
  named   = false
  inherit = "anonymous"
}
# An address inherits from an address, although a section has the name.
remote "192.0.2.6" {
  inherit = "192.0.2.1"
}

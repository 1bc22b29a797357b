path { pre_shared_key = "psk.txt" }
include = "peers/*.hcl"
remote "office" {
  remote_address   = 192.0.2.2
  exchange_mode    = ["main"]
  my_identifier    = "fqdn:gw.example.org"
  peers_identifier = ["user_fqdn bob@example.org", fqdn("a")]
}

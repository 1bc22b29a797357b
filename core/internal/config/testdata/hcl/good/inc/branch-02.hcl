locals {
  name = "branch-02"
}
remote "02" {
  inherit          = "branch"
  remote_address   = "198.51.100.2"
  peers_identifier = [{ fqdn = "${local.name}.example.org" }, { user_fqdn = "ops@${local.name}.example.org" }]
}

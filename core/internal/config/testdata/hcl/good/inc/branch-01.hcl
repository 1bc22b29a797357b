# Every branch looks like this. Locals belong to their file.
locals {
  name = "branch-01"
}
remote "01" {
  inherit          = "branch"
  peers_identifier = [{ fqdn = "${local.name}.example.org" }]
}

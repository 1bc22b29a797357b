# What goes wrong in an expression.
locals {
  one   = 1
  list  = ["10.0.0.1", "10.0.0.2"]
  again = local.later
  later = 2
  nested {
    a = 1
  }
}
path {
  certificate = var.certs
  include     = local.nothing
  script      = upper(5, 6)
  backupsa    = uper("a")
  pidfile     = file("/etc/passwd")
}
timer {
  counter  = local.one / 0
  persend  = local.one + "a"
  interval = "${local.list} sec"
}
listen {
  isakmp      = local.list[5]
  isakmp_natt = [for a in local.one : a]
}
remote "${local.one}" {
  exchange_mode = [main]
  my_identifier = { fqdn = gw.example.org }
  nonce_size    = max("a", "b")
  lifetime      = local.one == 1 ? "1 hour" : 5
  passive       = !"a"
}

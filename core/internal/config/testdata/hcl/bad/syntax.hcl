# Several mistakes of syntax in one file.
path {
  certificate = /etc/certs
  script      = "/etc/racoon"
}
timer {
  counter =
  persend = 1 2
  phase1  = "10 sec",
}
listen { strict_address = true
  isakmp = ["192.0.2.1" "192.0.2.2"]
}
padding { randomize = true, strict_check = true }
mode_cfg {
  network4: "10.0.0.1"
  dns4 = ["10.0.0.53", "10.0.0.54"
}
log
{
  level = "info"
}
"quoted" = 1
remote 'single' {
  exchange_mode = ['main']
}
remote "192.0.2.2" {
  exchange_mode = ["main"]
  nonsense      = 1
}
}
complex_bundle = yes

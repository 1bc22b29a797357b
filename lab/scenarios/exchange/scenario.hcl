description = "each phase 1 exchange, with NAT at neither end, at one and at both; the left end initiates"

matrix {
  table = <<-T
    tags     exchange    left        right       nat
    full     main        racoon      racoon      none
    core     aggressive  racoon      racoon      none
    core     base        racoon      racoon      none
    full     main        racoon      strongswan  none
    full     aggressive  racoon      strongswan  none
    full     main        strongswan  racoon      none
    full     aggressive  strongswan  racoon      none
    full     main        racoon      libreswan   none
    full     aggressive  racoon      libreswan   none
    full     main        libreswan   racoon      none
    core     aggressive  libreswan   racoon      none
    control  main        strongswan  libreswan   none
    control  main        libreswan   strongswan  none
    control  aggressive  libreswan   strongswan  none
    control  aggressive  strongswan  libreswan   none
    control  main        strongswan  libreswan   left
    control  main        libreswan   strongswan  left
    control  aggressive  libreswan   strongswan  both
    control  aggressive  strongswan  libreswan   right
    control  main        strongswan  strongswan  both
  T
}

params = { exchange = var.exchange }

# Who initiates needs nothing but a NAT box that lets its answers in; to who
# responds, the box has to forward.
left {
  daemon = var.left
  nat    = { none = "", left = "masquerade", right = "", both = "masquerade" }[var.nat]
}

right {
  daemon = var.right
  nat    = { none = "", left = "", right = "forward", both = "forward" }[var.nat]
  params = { swanctl_start = "none" }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "15s"
  ping {}
}

step "nothing is lost" {
  at = "left"
  ping { count = 25 }
}

step "nor the other way" {
  at = "right"
  ping { count = 25 }
}

expect {
  sas = 2
  esp = true
}

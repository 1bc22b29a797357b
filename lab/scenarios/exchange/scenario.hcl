description = "each phase 1 exchange, with NAT at neither end, at one and at both; the left end initiates"

matrix {
  table = <<-T
    tags     exchange    left          right         nat
    full     main        racoon        racoon        none
    core     main        racoon        racoon        left
    full     main        racoon        racoon        right
    full     main        racoon        racoon        both
    full     aggressive  racoon        racoon        none
    full     aggressive  racoon        racoon        left
    full     aggressive  racoon        racoon        right
    full     aggressive  racoon        racoon        both
    full     base        racoon        racoon        none
    full     base        racoon        racoon        left
    full     base        racoon        racoon        right
    core     base        racoon        racoon        both
    full     main        racoon        strongswan    none
    full     main        racoon        strongswan    left
    full     main        racoon        strongswan    right
    core     main        racoon        strongswan    both
    full     aggressive  racoon        strongswan    none
    full     aggressive  racoon        strongswan    left
    full     aggressive  racoon        strongswan    right
    full     aggressive  racoon        strongswan    both
    full     main        strongswan    racoon        none
    full     main        strongswan    racoon        left
    full     main        strongswan    racoon        right
    full     main        strongswan    racoon        both
    full     aggressive  strongswan    racoon        none
    full     aggressive  strongswan    racoon        left
    full     aggressive  strongswan    racoon        right
    full     aggressive  strongswan    racoon        both
    full     main        racoon        libreswan     none
    full     main        racoon        libreswan     left
    full     main        racoon        libreswan     right
    full     main        racoon        libreswan     both
    full     aggressive  racoon        libreswan     none
    full     aggressive  racoon        libreswan     left
    full     aggressive  racoon        libreswan     right
    full     aggressive  racoon        libreswan     both
    full     main        libreswan     racoon        none
    core     main        libreswan     racoon        left
    full     main        libreswan     racoon        right
    full     main        libreswan     racoon        both
    full     aggressive  libreswan     racoon        none
    full     aggressive  libreswan     racoon        left
    full     aggressive  libreswan     racoon        right
    full     aggressive  libreswan     racoon        both
    core     main        racoon-pfkey  racoon        left
    full     main        racoon-pfkey  racoon-pfkey  none
    full     aggressive  racoon        racoon-pfkey  both
    full     base        racoon-pfkey  racoon-pfkey  right
    full     main        racoon-pfkey  strongswan    left
    full     aggressive  strongswan    racoon-pfkey  both
    full     main        strongswan    racoon-pfkey  none
    full     main        racoon-pfkey  libreswan     none
    full     aggressive  libreswan     racoon-pfkey  right
    full     main        libreswan     racoon-pfkey  left
    control  main        strongswan    libreswan     none
    control  main        libreswan     strongswan    none
    control  aggressive  libreswan     strongswan    none
    control  aggressive  strongswan    libreswan     none
    control  main        strongswan    libreswan     left
    control  main        libreswan     strongswan    left
    control  aggressive  libreswan     strongswan    both
    control  aggressive  strongswan    libreswan     right
    control  main        strongswan    strongswan    both
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
  within = "45s"
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

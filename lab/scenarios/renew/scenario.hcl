description = "IPsec SAs are renewed, and the ISAKMP SA is authenticated anew, every few seconds under traffic: not one packet is lost, and SAs do not pile up"

# Ten minutes are for "make soak".
matrix {
  table = <<-T
    tags  left          right         seconds
    full  racoon        racoon        60
    full  racoon        strongswan    60
    full  strongswan    racoon        60
    full  racoon-pfkey  racoon-pfkey  60
    soak  racoon        racoon        600
    soak  racoon        strongswan    600
    soak  strongswan    racoon        600
  T
}

time_limit = "${var.seconds + 300}s"

# The left end renews: its lifetimes are the short ones.
left {
  daemon = var.left
  params = {
    lifetime           = "10 sec"
    section            = "lifetime time 12 sec;"
    swanctl_connection = "reauth_time = 10s\n over_time = 4s\n rand_time = 0s"
    swanctl_child      = "rekey_time = 7s\n life_time = 10s\n rand_time = 0s"
  }
}

right {
  daemon = var.right
  params = { swanctl_start = "none" }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "45s"
  ping {}
}

step "traffic, and nothing is lost" {
  at = "left"
  ping {
    count   = var.seconds * 65
    max_sas = 4
  }
}

step "the ISAKMP SA was not the first" {
  at  = daemon(var.left) == "racoon" ? "left" : "right"
  run = "test $(grep -c 'ISAKMP-SA established' $LOG) -ge ${var.seconds / 15}"
}

expect {
  esp  = true
  spis = var.seconds / 12
}

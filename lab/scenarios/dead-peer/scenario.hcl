description = "a peer that has died or cannot be reached is found out, its SAs go, and traffic is back as soon as it is"

matrix {
  table = <<-T
    tags     left          right         fault
    core     racoon        racoon        killed
    full     racoon        strongswan    blocked
    full     racoon        racoon        blocked
    full     racoon        strongswan    killed
    full     racoon        libreswan     killed
    full     strongswan    racoon        killed
    full     libreswan     racoon        blocked
    full     racoon-pfkey  racoon        killed
    full     racoon        racoon-pfkey  killed
    full     racoon-pfkey  strongswan    blocked
    control  strongswan    strongswan    blocked
  T
}

time_limit = "240s"

params = {
  dpd         = 2
  dpd_timeout = 6
  section     = "dpd_retry 1;\n\tdpd_maxfail 3;"
  timer       = "interval 1 sec;\n\tcounter 5;"
}

left {
  daemon = var.left
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

step "for some seconds nothing happens" {
  at = "left"
  ping {
    count    = 6
    interval = "1s"
  }
}

step "the fault" {
  at   = "right"
  kill = var.fault == "killed" ? { racoon = "racoon", strongswan = "charon", libreswan = "pluto" }[daemon(var.right)] : null
  netem = var.fault == "blocked" ? "loss 100%" : null
}

step "the SAs go" {
  at     = "left"
  sas    = 0
  within = "60s"
}

# What a killed daemon leaves in the kernel a reboot would have taken; racoon sees to it itself.
step "the other end is there again" {
  at  = "right"
  run = var.fault == "killed" && daemon(var.right) != "racoon" ? "ip xfrm state flush; ip xfrm policy flush" : "true"
}

step "with its daemon" {
  at    = "right"
  start = var.fault == "killed"
}

step "and its link" {
  at    = "right"
  netem = ""
}

step "traffic is back" {
  at     = "left"
  within = "60s"
  ping {}
}

step "and stays" {
  at = "left"
  ping { count = 25 }
}

expect {
  esp  = true
  spis = 2
  # What left sends while right knows nothing of it.
  may_rise = ["XfrmInNoStates"]
}

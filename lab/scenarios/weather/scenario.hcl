description = "datagrams that are lost, doubled or late still give a tunnel"

matrix {
  table = <<-T
    tags     weather    left          right
    full     loss       racoon        strongswan
    core     loss       racoon        racoon
    full     duplicate  racoon        strongswan
    full     duplicate  racoon        racoon
    full     reorder    racoon        strongswan
    full     reorder    racoon        racoon
    full     loss       strongswan    racoon
    full     duplicate  strongswan    racoon
    full     reorder    strongswan    racoon
    core     storm      racoon        racoon
    full     storm      racoon        strongswan
    full     storm      strongswan    racoon
    full     storm      racoon-pfkey  racoon-pfkey
    control  storm      strongswan    strongswan
  T
}

time_limit = "240s"

params = { timer = "interval 1 sec;\n\tcounter 10;" }

netem = {
  loss      = "loss 10%"
  duplicate = "duplicate 10%"
  reorder   = "delay 30ms 10ms reorder 25%"
  storm     = "loss 20% duplicate 10% delay 30ms 10ms reorder 25%"
}[var.weather]

left {
  daemon = var.left
}

right {
  daemon = var.right
  params = { swanctl_start = "none" }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "120s"
  ping {}
}

step "the sky clears" {
  netem = ""
}

step "nothing is lost any more" {
  at = "left"
  ping { count = 25 }
}

step "one pair of SAs" {
  sas    = 2
  within = "60s"
}

expect {
  esp = true
  # A doubled ESP packet is a replay; one that overtakes SA installation has no SA yet.
  may_rise = ["XfrmInStateSeqError", "XfrmInNoStates"]
}

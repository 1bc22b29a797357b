description = "kill -9 of a plugin or of the engine: it comes back, and what the kernel has is what racoon knows"

matrix {
  table = <<-T
    tags  left          victim             moment  peer
    core  racoon        racoon             after   strongswan
    full  racoon        racoon             during  racoon
    full  racoon        racoon-auth-psk    during  strongswan
    core  racoon        racoon-kernel      after   racoon
    full  racoon        racoon-kernel      during  strongswan
    core  racoon        racoon-log-syslog  after   strongswan
    full  racoon        racoon-log-syslog  during  racoon
    full  racoon        racoon             after   racoon
    full  racoon        racoon             during  strongswan
    full  racoon        racoon-auth-psk    after   racoon
    full  racoon        racoon-auth-psk    after   strongswan
    full  racoon        racoon-auth-psk    during  racoon
    full  racoon        racoon-kernel      after   strongswan
    full  racoon        racoon-kernel      during  racoon
    core  racoon-pfkey  racoon-kernel      after   racoon
    full  racoon-pfkey  racoon-kernel      during  strongswan
    full  racoon-pfkey  racoon             after   racoon-pfkey
  T
}

time_limit = "240s"

params = { timer = "interval 1 sec;\n\tcounter 10;" }

left {
  daemon = var.left
}

right {
  daemon = var.peer
  params = { swanctl_start = "none" }
}

step "somebody else's SA is in both kernels" {
  run = "ip xfrm state add src 192.0.2.98 dst 192.0.2.99 proto esp spi 9 mode transport aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128"
}

# A round trip of 400 ms: nine messages take nearly two seconds.
step "the link is slow when the negotiation is to be met" {
  netem = var.moment == "during" ? "delay 200ms" : ""
}

step "a packet starts the negotiation" {
  at     = "left"
  within = var.moment == "after" ? "45s" : "0s"
  ping { answered = var.moment == "after" ? "all" : "any" }
}

step "the moment has come" {
  at     = "left"
  within = "20s"
  log = [var.moment == "after" ? "IPsec-SA established" : {
    racoon            = "phase 2 negotiation begun"
    racoon-auth-psk   = "phase 1 negotiation begun"
    racoon-kernel     = "ISAKMP-SA established"
    racoon-log-syslog = "phase 2 negotiation begun"
  }[var.victim]]
  absent = var.moment == "after" ? [] : ["IPsec-SA established"]
}

step "from here on the syslog is of interest" {
  at  = "left"
  run = ": >$SYSLOG"
}

step "kill -9" {
  at   = "left"
  kill = var.victim == "racoon-kernel" ? "racoon-kernel-*" : var.victim
}

step "a dead engine takes its plugins with it" {
  at        = "left"
  within    = "20s"
  processes = var.victim == "racoon" ? { racoon-auth-psk = 0, "racoon-kernel-*" = 0, racoon-log-syslog = 0 } : {}
}

step "the administrator starts a dead engine again" {
  at    = "left"
  start = var.victim == "racoon"
}

step "it is back" {
  at        = "left"
  within    = "45s"
  processes = { racoon = 1, racoon-auth-psk = 1, "racoon-kernel-*" = 1, racoon-log-syslog = 1 }
}

step "and says so" {
  at     = "left"
  within = "30s"
  run    = "cat $SYSLOG"
  match  = [var.victim == "racoon" ? "racoon starting" : "plugin ready"]
}

step "the link is fast again" {
  netem = ""
}

step "the tunnel is up" {
  at     = "left"
  within = "90s"
  ping {}
}

step "each kernel has one pair of SAs, and the other's" {
  sas    = 3
  within = "60s"
}

step "racoon's table is the kernel's" {
  at     = "left"
  table  = true
  within = "20s"
}

step "nothing is lost" {
  at = "left"
  ping { count = 25 }
}

expect {
  sas    = 3
  esp    = true
  remain = 1
  # Until the peer learns that the SAs are gone it may send on them.
  may_rise = ["XfrmInNoStates"]
}

description = "racoon -B: what was saved of the SAs is there again behind a restart, and what is sent goes on under new ones"

matrix {
  table = <<-T
    tags  left        right
    core  racoon      racoon
    full  strongswan  racoon
    full  racoon      racoon-pfkey
  T
}

time_limit = "240s"

left {
  daemon = var.left
}

right {
  daemon = var.right
  params = {
    global = "path backupsa \"/run/lab/saved\";"
    flags  = "-B"
  }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "45s"
  ping {}
}

step "the inbound SA" {
  at  = "right"
  run = "ip xfrm state list dst $SELF | grep -o 'spi 0x[0-9a-f]*' >inbound && test $(wc -l <inbound) = 1 && ls -l saved"
}

step "racoon dies, and the machine with it" {
  at   = "right"
  kill = "racoon"
}

step "the kernel has lost everything" {
  at  = "right"
  run = "sleep 1; ip xfrm state flush"
}

step "racoon is back" {
  at    = "right"
  start = true
}

step "with the inbound SA" {
  at     = "right"
  within = "20s"
  run    = "ip xfrm state list dst $SELF | grep -F \"$(cat inbound)\""
}

step "packets go through" {
  at     = "left"
  within = "30s"
  ping {}
}

step "and none is lost any more" {
  at = "left"
  ping { count = 25 }
}

expect {
  esp  = true
  spis = 2
  # What left sends before the SA is there again.
  may_rise = ["XfrmInNoStates"]
}

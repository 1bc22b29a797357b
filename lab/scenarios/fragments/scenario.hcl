description = "IKE messages that are too large for a path without IP fragments go through in fragments of their own"

matrix {
  table = <<-T
    tags     exchange    left        right       frag
    core     main        racoon      racoon      on
    full     aggressive  racoon      strongswan  force
    full     main        racoon      strongswan  on
    full     main        strongswan  racoon      on
    full     aggressive  strongswan  racoon      force
    full     base        racoon      racoon      force
    full     main        racoon      libreswan   on
    full     main        libreswan   racoon      force
    control  main        strongswan  strongswan  on
  T
}

# Its public values make every message that has one too large for the path.
ike = "aes128-sha256-modp4096"

params = {
  exchange = var.exchange
  frag     = var.frag
  charon   = "fragment_size = 576"
}

left {
  daemon = var.left
}

right {
  daemon = var.right
  params = { swanctl_start = "none" }
}

step "a path with a small MTU, where IP fragments are lost" {
  run = "ip link set wire mtu 600 && iptables-legacy -t mangle -A PREROUTING -f -j DROP"
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "60s"
  ping {}
}

step "nothing is lost" {
  at = "left"
  ping { count = 25 }
}

expect {
  sas      = 2
  esp      = true
  ike_frag = true
}

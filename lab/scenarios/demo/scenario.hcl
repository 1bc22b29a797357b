description = "racoon and strongSwan, from a policy to a ping through ESP"
tags        = ["demo"]

left {
  daemon = "racoon"
}

right {
  daemon = "strongswan"
  params = { swanctl_start = "none" }
}

step "The administrator's policy at the left end: these packets must be ESP" {
  at   = "left"
  show = true
  run  = "ip xfrm policy list dir out"
}

step "The kernel has no SA for it yet" {
  at   = "left"
  show = true
  run  = "ip xfrm state count; racoonctl show-sa"
}

step "A packet hits the policy: ping from the left network to the right one" {
  at     = "left"
  show   = true
  within = "45s"
  ping {}
}

step "What racoon (left) has logged of the negotiation" {
  at     = "left"
  show   = true
  within = "20s"
  log    = ["the kernel wants an SA", "phase 1 negotiation begun", "ISAKMP-SA established", "phase 2 negotiation begun", "IPsec-SA established"]
}

step "What strongSwan (right) has logged" {
  at   = "right"
  show = true
  log  = ["parsed (ID_PROT|QUICK_MODE)", "selected proposal", "IKE_SA lab.* established", "CHILD_SA lab.* established"]
}

step "racoonctl show-sa" {
  at   = "left"
  show = true
  run  = "racoonctl show-sa"
}

step "More traffic: nothing is lost" {
  at   = "left"
  show = true
  ping { count = 50 }
}

step "The kernel's SAs and their counters (left)" {
  at   = "left"
  show = true
  run  = "ip -s xfrm state list nokeys | grep -E '^src|proto esp|bytes\\), .*packets\\)|auth|enc|aead'"
}

step "The kernel's SAs and their counters (right)" {
  at   = "right"
  show = true
  run  = "ip -s xfrm state list nokeys | grep -E '^src|proto esp|bytes\\), .*packets\\)|auth|enc|aead'"
}

step "What was seen on the link between them" {
  at      = "left"
  show    = true
  capture = true
}

expect {
  sas = 2
  esp = true
}

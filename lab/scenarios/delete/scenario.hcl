description = "what one end deletes, both ends delete; the next packet negotiates anew"

matrix {
  table = <<-T
    tags     left          right         deletes
    core     racoon        racoon        left
    full     racoon        racoon        right
    core     racoon        strongswan    left
    full     racoon        strongswan    right
    full     racoon-pfkey  racoon-pfkey  left
    full     racoon-pfkey  strongswan    right
    full     racoon        racoon-pfkey  right
    control  strongswan    strongswan    left
  T
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

step "an end deletes" {
  at = var.deletes
  run = daemon(var.deletes == "left" ? var.left : var.right) == "racoon" ? "racoonctl delete-sa isakmp inet $SELF $PEER" : "swanctl --terminate --ike lab"
}

step "no SA is left at either end" {
  sas    = 0
  within = "20s"
}

step "the next packets negotiate again" {
  at     = "left"
  within = "45s"
  ping {}
}

expect {
  sas  = 2
  esp  = true
  spis = 2
}

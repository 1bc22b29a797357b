description = "NAT traversal: forced where there is no NAT, in transport mode with original addresses, and as the drafts have it"

matrix {
  table = <<-T
    tags  left          right         how
    core  racoon        racoon        force
    full  racoon        strongswan    force
    full  strongswan    racoon        force
    full  racoon        racoon        transport
    full  strongswan    racoon        transport
    full  racoon        libreswan     drafts
    full  libreswan     racoon        drafts
    full  racoon-pfkey  racoon-pfkey  force
    full  racoon-pfkey  strongswan    transport
    full  racoon        racoon-pfkey  transport
  T
}

mode   = var.how == "transport" ? "transport" : "tunnel"
params = var.how == "force" ? { natt = "force" } : {}

left {
  daemon = var.left
  nat    = var.how == "force" ? "" : "masquerade"
  params = var.how == "drafts" ? { pluto_conn = "nat-ikev1-method=drafts" } : {}
}

right {
  daemon = var.right
  params = {
    swanctl_start = "none"
    pluto_conn    = var.how == "drafts" ? "nat-ikev1-method=drafts" : ""
  }
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
  sas       = 2
  esp       = true
  udp_encap = true
}

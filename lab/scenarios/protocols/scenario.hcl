description = "AH, IPComp and bundles of them with ESP, as policies ask for them: they carry packets, and are what the link shows"

# A peer that is not racoon has one of ESP and AH, with IPComp or without. As
# responder strongSwan is not asked for IPComp: its answer has a second
# alternative without, and is none (RFC 2409 section 5.5).
matrix {
  table = <<-T
    tags  left          right         mode       family  protocols
    core  racoon        racoon        tunnel     4       esp+ah
    core  racoon        racoon        tunnel     6       ipcomp+esp
    core  racoon        strongswan    transport  4       ah
    full  libreswan     racoon        tunnel     4       ipcomp+esp
    full  racoon        strongswan    tunnel     4       ah
    full  racoon        strongswan    transport  6       ah
    full  strongswan    racoon        transport  4       ah
    full  strongswan    racoon        tunnel     6       ah
    full  strongswan    racoon        tunnel     4       ipcomp+esp
    full  strongswan    racoon        transport  6       ipcomp+esp
    full  racoon        libreswan     tunnel     4       ah
    full  racoon        libreswan     tunnel     4       ipcomp+esp
    full  libreswan     racoon        transport  4       ah
    core  racoon-pfkey  racoon-pfkey  tunnel     6       esp+ah
    full  racoon-pfkey  racoon-pfkey  tunnel     6       ah
    full  racoon-pfkey  racoon-pfkey  tunnel     4       ipcomp
    full  racoon-pfkey  racoon-pfkey  tunnel     4       ipcomp+esp
    full  racoon-pfkey  racoon-pfkey  tunnel     4       ipcomp+esp+ah
    full  racoon-pfkey  racoon-pfkey  transport  4       ah
    full  racoon-pfkey  racoon-pfkey  transport  6       esp+ah
    full  racoon-pfkey  racoon-pfkey  transport  6       ipcomp+esp
    full  racoon-pfkey  racoon-pfkey  transport  4       ipcomp+ah
    full  racoon        racoon-pfkey  tunnel     4       ipcomp+esp
    full  racoon-pfkey  racoon        transport  4       ah
    full  racoon-pfkey  racoon        transport  6       ipcomp+esp+ah
    full  racoon-pfkey  strongswan    tunnel     6       ah
    full  strongswan    racoon-pfkey  transport  4       ah
    full  libreswan     racoon-pfkey  tunnel     4       ipcomp+esp
  T
  cross = <<-T
    left:      racoon
    right:     racoon
    mode:      tunnel transport
    family:    4 6
    protocols: ah ipcomp esp+ah ipcomp+esp ipcomp+ah ipcomp+esp+ah
  T
  cross_tags = ["full"]
}

mode      = var.mode
family    = var.family
protocols = var.protocols

# What others call a tunnel is one in each of its SAs.
params = { global = daemon(var.left) == daemon(var.right) ? "" : "complex_bundle off;" }

left {
  daemon = var.left
}

right {
  daemon = var.right
  params = { swanctl_start = "none" }
}

# All are large enough to be compressed: a small one would come without IPComp,
# which alone would leave it in the clear.
step "the first packets start the negotiation" {
  at     = "left"
  within = "45s"
  ping { size = 1000 }
}

step "nothing is lost" {
  at = "left"
  ping {
    count = 25
    size  = 1000
  }
}

step "nor the other way" {
  at = "right"
  ping {
    count = 25
    size  = 1000
  }
}

expect {
  sas = 2 * length(split("+", var.protocols))
  esp = true
}

description = "through PF_KEY of Linux HMAC-SHA2-256 has 96 bits: with a peer that has them too traffic flows, else racoon has said so"

matrix {
  table = <<-T
    tags  peer          cut  switch
    full  strongswan    yes  no
    full  strongswan    yes  yes
    core  strongswan    no   no
    full  racoon-pfkey  no   no
    full  racoon        yes  yes
    full  racoon        no   no
  T
}

left {
  daemon = "racoon-pfkey"
  # The lab would have it on.
  params = { section = var.switch == "yes" ? "sha256_96 on;" : "sha256_96 off;" }
}

right {
  daemon = var.peer
  params = var.peer == "strongswan" ? {
    swanctl_child = "sha256_96 = ${var.cut}"
  } : {
    section = var.cut == "yes" ? "sha256_96 on;" : "sha256_96 off;"
  }
}

step "the peer's packets start the negotiation" {
  at     = "right"
  within = "45s"
  ping { answered = var.cut == "yes" || var.peer == "racoon-pfkey" ? "all" : "none" }
}

step "the SAs are up" {
  sas    = 2
  within = "30s"
}

step "packets arrive or not" {
  at = "right"
  ping {
    count    = 20
    answered = var.cut == "yes" || var.peer == "racoon-pfkey" ? "all" : "none"
  }
}

step "the start and the first SA have said it, or need not" {
  at     = "left"
  log    = var.switch == "yes" ? [] : ["finding: the kernel back end cuts HMAC-SHA2-256 to 96 bits, where RFC 4868 has 128: .*write sha256_96 on;.* reason=unsupported", "finding: the kernel back end cuts the ICV of its SAs to 96 bits, the standard has 128.* reason=unsupported"]
  absent = var.switch == "yes" ? ["reason=unsupported"] : []
}

expect {
  sas      = 2
  esp      = var.cut == "yes" || var.peer == "racoon-pfkey"
  may_rise = var.cut == "yes" || var.peer == "racoon-pfkey" ? [] : ["XfrmInStateProtoError"]
}

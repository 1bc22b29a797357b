description = "HMAC-SHA2-256 cut to 96 bits: with sha256_96 traffic flows, without it the tunnel is up, nothing passes, and racoon says why"

matrix {
  table = <<-T
    tags  peer        case     esp
    core  strongswan  agreed   aes128-sha256
    full  strongswan  unlike   aes128-sha256
    full  racoon      agreed   aes128-sha256
    full  racoon      unlike   aes256-sha256
  T
}

esp = var.esp

xfrm_only = "PF_KEY of Linux can only cut to 96 bits"

left {
  daemon = "racoon"
  params = { section = var.case == "agreed" ? "sha256_96 on;" : "" }
}

right {
  daemon = var.peer
  params = var.peer == "racoon" ? {
    section = "sha256_96 on;"
  } : {
    swanctl_child = "sha256_96 = yes"
  }
}

step "the peer's packets start the negotiation" {
  at     = "right"
  within = "45s"
  ping { answered = var.case == "agreed" ? "all" : "none" }
}

step "the SAs are up" {
  sas    = 2
  within = "30s"
}

step "packets arrive or not" {
  at = "right"
  ping {
    count    = 20
    answered = var.case == "agreed" ? "all" : "none"
  }
}

step "the kernel cuts as it was told" {
  at    = "left"
  run   = "ip -d xfrm state"
  match = var.case == "agreed" ? ["hmac.sha256. 0x[0-9a-f]* 96"] : ["hmac.sha256. 0x[0-9a-f]* 128"]
}

step "the log says what is wrong, or nothing" {
  at     = "left"
  within = "60s"
  log    = var.case == "agreed" ? [] : ["finding: [0-9]+ packets came with this SA and not one has passed its integrity check; our HMAC-SHA2-256 has 128 bits: does the peer have 96\\? Then write sha256_96 on; in its remote section.* reason=bad-icv"]
  absent = var.case == "agreed" ? ["reason=bad-icv", "reason=unsupported"] : []
}

expect {
  sas      = 2
  esp      = var.case == "agreed"
  may_rise = var.case == "agreed" ? [] : ["XfrmInStateProtoError"]
}

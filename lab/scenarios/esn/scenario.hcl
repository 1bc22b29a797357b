description = "sequence numbers of 64 bits (RFC 4304): negotiated, and done by the kernel"

matrix {
  table = <<-T
    tags  left    right       lesn   resn   long  esp
    core  racoon  racoon      force  on     yes   aes128-sha256
    full  racoon  racoon      on     off    no    aes128gcm16
    full  racoon  racoon      on     force  yes   aes128gcm16
    full  racoon  strongswan  on     on     yes   aes128-sha256
    full  strongswan  racoon  on     on     yes   aes128-sha256
  T
}

esp = var.esp

xfrm_only = "PF_KEY of Linux has no sequence numbers of 64 bits"

left {
  daemon = var.left
  params = var.left == "racoon" ? { sainfo = "esn ${var.lesn};" } : { swanctl_esp = "-esn" }
}

right {
  daemon = var.right
  params = var.right == "racoon" ? { sainfo = "esn ${var.resn};" } : { swanctl_esp = "-esn" }
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

step "the kernel has what was agreed" {
  run    = "ip -d xfrm state"
  match  = var.long == "yes" ? ["flag .*esn"] : ["replay-window"]
  absent = var.long == "yes" ? [] : ["flag .*esn"]
}

expect {
  sas = 2
  esp = true
}

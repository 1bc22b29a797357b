description = "control: strongSwan at both ends, a ping through the policy"

matrix {
  table = <<-T
    tags         mode       family  ike                      esp
    control,core tunnel     4       aes128-sha256-modp2048   aes128-sha256
    control,core transport  6       aes128-sha256-x25519     aes128gcm16
    control      tunnel     6       aes256-sha384-ecp384     aes128gcm16
    control      transport  4       3des-sha1-modp1024       aes128-sha256
  T
}

mode   = var.mode
family = var.family
ike    = var.ike
esp    = var.esp

left {
  daemon = "strongswan"
}

right {
  daemon = "strongswan"
  params = { swanctl_start = "none" }
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

step "nothing is lost the other way" {
  at = "right"
  ping { count = 25 }
}

expect {
  sas = 2
  esp = true
}

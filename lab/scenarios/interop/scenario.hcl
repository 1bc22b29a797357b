description = "a packet that hits a policy brings up main mode and quick mode, and goes through as ESP"

# The rows have every pair of values (a test sees to it) and nearly every
# triple; "make full" runs the whole cross product.
matrix {
  table = <<-T
    tags  peer        initiator  mode       family  ike                      esp
    core  racoon      left       transport  4       aes128-sha256-modp2048   aes128-sha256
    core  racoon      left       tunnel     6       aes128-sha256-modp2048   aes128gcm16
    core  racoon      left       transport  4       aes256-sha384-ecp384     aes128gcm16
    core  racoon      right      tunnel     6       aes256-sha384-ecp384     aes128gcm16
    core  racoon      left       tunnel     4       aes128-sha256-x25519     aes128gcm16
    core  racoon      right      transport  6       aes128-sha256-x25519     aes128-sha256
    core  racoon      left       tunnel     6       3des-sha1-modp1024       aes128-sha256
    core  racoon      right      transport  4       3des-sha1-modp1024       aes128gcm16
    core  strongswan  right      transport  4       aes128-sha256-modp2048   aes128gcm16
    core  strongswan  right      tunnel     6       aes128-sha256-modp2048   aes128-sha256
    core  strongswan  left       tunnel     6       aes256-sha384-ecp384     aes128-sha256
    core  strongswan  right      transport  4       aes256-sha384-ecp384     aes128-sha256
    core  strongswan  left       transport  4       aes128-sha256-x25519     aes128-sha256
    core  strongswan  right      tunnel     6       aes128-sha256-x25519     aes128gcm16
    core  strongswan  right      tunnel     4       3des-sha1-modp1024       aes128-sha256
    core  strongswan  left       transport  6       3des-sha1-modp1024       aes128gcm16
  T
  cross = <<-T
    peer:      racoon strongswan
    initiator: left right
    mode:      tunnel transport
    family:    4 6
    ike:       aes128-sha256-modp2048 aes256-sha384-ecp384 aes128-sha256-x25519 3des-sha1-modp1024
    esp:       aes128-sha256 aes128gcm16
  T
  cross_tags = ["full"]
}

mode   = var.mode
family = var.family
ike    = var.ike
esp    = var.esp

left {
  daemon = "racoon"
}

right {
  daemon = var.peer
  # strongSwan answers without a policy of its own.
  params = { swanctl_start = var.initiator == "right" ? "trap" : "none" }
}

step "the first packets start the negotiation" {
  at     = var.initiator
  within = "45s"
  ping {}
}

step "nothing is lost" {
  at = var.initiator
  ping { count = 20 }
}

step "nothing is lost the other way" {
  at = other(var.initiator)
  ping { count = 20 }
}

step "racoon's table is the kernel's" {
  at     = "left"
  table  = true
  within = "20s"
}

expect {
  sas = 2
  esp = true
}

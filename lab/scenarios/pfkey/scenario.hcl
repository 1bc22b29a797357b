description = "the kernel is reached by PF_KEY, by a line in plugins.hcl: at both ends, or at one and by XFRM at the other"

matrix {
  table = <<-T
    tags  left    right       how
    core  racoon  racoon      tunnel
    full  racoon  racoon      transport
    full  racoon  racoon      natt
    core  racoon  racoon      mixed
  T
}

time_limit = "120s"
# PF_KEY of Linux cuts HMAC-SHA2-256 to 96 bits, which XFRM at the other end would not.
esp        = "aes128-sha1"
mode       = var.how == "transport" ? "transport" : "tunnel"
params     = var.how == "natt" ? { natt = "force" } : {}

left {
  daemon = var.left
  params = { lifetime = "20 sec" }
}

right {
  daemon = var.right
  params = { kernel = var.how == "mixed" ? "xfrm" : "pfkey" }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "15s"
  ping {}
}

step "it was the plugin that was asked" {
  at  = "left"
  log = ["plugin=kernel/pfkey"]
}

step "30 seconds of traffic, past a renewal by the soft lifetime; nothing is lost" {
  at = "left"
  ping { count = 1900 }
}

step "nor the other way" {
  at = "right"
  ping { count = 25 }
}

step "the old SAs go" {
  sas    = 2
  within = "25s"
}

step "the daemon's table and the kernel's are the same" {
  at     = "left"
  table  = true
  within = "25s"
}

expect {
  esp       = true
  spis      = 2
  udp_encap = var.how == "natt"
}

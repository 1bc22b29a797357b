description = "the kernel is reached by PF_KEY at both ends, by a line in plugins.hcl"

matrix {
  table = <<-T
    tags  left    right       how
    core  racoon  racoon      tunnel
    full  racoon  racoon      transport
    full  racoon  racoon      natt
  T
}

time_limit = "120s"
mode       = var.how == "transport" ? "transport" : "tunnel"
params     = var.how == "natt" ? { natt = "force" } : {}

left {
  daemon = var.left
  params = { lifetime = "20 sec" }
}

right {
  daemon = var.right
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

step "the daemon's table and the kernel's are the same" {
  at     = "left"
  table  = true
  within = "25s"
}

expect {
  sas       = 2
  esp       = true
  spis      = 3
  udp_encap = var.how == "natt"
}

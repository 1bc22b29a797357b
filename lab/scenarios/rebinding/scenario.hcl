description = "a NAT box is kept from forgetting its mappings; and if it does, the end behind it is found at the new ones"

matrix {
  table = <<-T
    tags     left        right
    core     racoon      racoon
    full     racoon      strongswan
    full     strongswan  racoon
    full     libreswan   racoon
    control  strongswan  strongswan
  T
}

time_limit = "240s"

params = {
  timer  = "natt_keepalive 1 sec;"
  charon = "keep_alive = 1s"
  pluto  = "keep-alive=1"
}

xfrm_only = daemon(var.right) == "racoon" ? "PF_KEY cannot give an SA other end points" : ""

left {
  daemon = var.left
  nat    = "masquerade"
}

right {
  daemon = var.right
  params = { swanctl_start = "none" }
}

step "a NAT box that forgets soon" {
  at  = "left-nat"
  run = "cd /proc/sys/net/netfilter && echo 3 >nf_conntrack_udp_timeout && echo 3 >nf_conntrack_udp_timeout_stream"
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "45s"
  ping {}
}

step "some seconds of silence later" {
  at  = "left"
  run = "sleep 8"
}

step "the end behind it can be reached" {
  at = "right"
  ping { count = 5 }
}

step "the NAT box is restarted" {
  at     = "left-nat"
  rebind = true
}

step "what the end behind it sends is answered" {
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
  sas = 2
  esp = true
}

description = "route-based tunnels: two VTI devices whose policies, for all traffic, differ by their mark only"

matrix {
  table = <<-T
    tags  left        left2
    core  racoon      racoon
    full  strongswan  racoon
  T
}

time_limit = "240s"

xfrm_only = "PF_KEY has no word for marks"

left  { daemon = var.left }
left2 { daemon = var.left2 }

right {
  daemon = "racoon"
  policy = false
  params = { remote = "anonymous" }
}

step "devices, routes and policies" {
  at  = "right"
  run = <<-S
    set -e
    tunnel() { # device, mark, peer, what is behind it
      ip tunnel add $1 mode vti local 192.0.2.2 remote $3 ikey $2 okey $2
      ip link set $1 up
      ip route replace $4 dev $1 src 10.2.0.1
      for dir in out in fwd; do
        ends="src 192.0.2.2 dst $3"
        test $dir = out || ends="src $3 dst 192.0.2.2"
        ip xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir $dir mark $2 tmpl $ends proto esp reqid $2 mode tunnel
      done
    }
    tunnel one 1 192.0.2.1 10.1.0.1
    tunnel two 2 192.0.2.3 10.3.0.1
  S
}

# What a peer proposes is contained in both policies; the one of its tunnel is meant.
step "the first peer connects" {
  at     = "left"
  within = "45s"
  ping {}
}

step "the second peer connects" {
  at     = "left2"
  within = "45s"
  ping {}
}

step "nothing is lost" {
  at = "left"
  ping { count = 25 }
}

step "nor of the other" {
  at = "left2"
  ping { count = 25 }
}

step "nor what is sent into the first device" {
  at = "right"
  ping {
    to    = "left"
    count = 25
  }
}

step "nor into the second" {
  at = "right"
  ping {
    to    = "left2"
    count = 25
  }
}

step "what is sent is marked, what is received is not" {
  at    = "right"
  run   = "ip xfrm state"
  match = ["(?s)src 192.0.2.2 dst 192.0.2.1.*mark 0x1/0xffffffff", "(?s)src 192.0.2.2 dst 192.0.2.3.*mark 0x2/0xffffffff"]
}

expect {
  sas = 2
  esp = true
}

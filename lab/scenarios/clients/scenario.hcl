description = "two clients stay up together: behind one NAT box, and behind two with one identity and one address"

matrix {
  table = <<-T
    tags  exchange    left          left2       right         boxes
    core  main        racoon        racoon      racoon        one
    core  aggressive  racoon        racoon      racoon        two
    full  main        racoon        strongswan  racoon        two
    full  base        racoon        racoon      racoon        one
    full  aggressive  strongswan    racoon      racoon        one
    full  main        racoon-pfkey  racoon      racoon-pfkey  one
  T
}

time_limit = "240s"

# Without a name the identity is the own address: 192.168.1.2, behind both of two boxes.
params = var.exchange == "aggressive" ? { exchange = var.exchange, id = "client.example" } : { exchange = var.exchange }

left {
  daemon = var.left
  nat    = "masquerade"
}

left2 {
  daemon = var.left2
  nat    = { one = "shared", two = "masquerade" }[var.boxes]
}

right {
  daemon = var.right
  params = {
    remote  = "anonymous"
    peer_id = "client.example"
    id      = "gateway.example"
  }
}

step "the first client connects" {
  at     = "left"
  within = "45s"
  ping {}
}

step "the second client connects" {
  at     = "left2"
  within = "45s"
  ping {}
}

step "nothing of the first is lost" {
  at = "left"
  ping { count = 25 }
}

step "nothing of the second is lost" {
  at = "left2"
  ping { count = 25 }
}

step "nor what is sent to the first" {
  at = "right"
  ping {
    to    = "left"
    count = 25
  }
}

step "nor what is sent to the second" {
  at = "right"
  ping {
    to    = "left2"
    count = 25
  }
}

expect {
  sas = 2
  esp = true
}

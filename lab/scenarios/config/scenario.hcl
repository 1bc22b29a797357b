description = "one tunnel from racoon.conf, from the HCL it converts to, and through live reloads"
time_limit  = "240s"

matrix {
  table = <<-T
    tags  left    right
    core  racoon  racoon
    full  racoon  strongswan
  T
}

params = { swanctl_start = "none" }

left {
  daemon = var.left
}

right {
  daemon = var.right
}

step "the classic file makes a tunnel" {
  at     = "left"
  within = "45s"
  ping {}
}

step "it ends" {
  at   = "left"
  stop = true
}

step "both ends have deleted it" {
  sas    = 0
  within = "30s"
}

step "the file is converted to HCL" {
  at    = "left"
  run   = "racoon config convert -o racoon.hcl racoon.conf && cat racoon.hcl && racoon -t -f racoon.hcl"
  match = ["^remote \"192.0.2.2\" \\{", "test is successful"]
}

step "and back, which means the same" {
  at  = "left"
  run = "mkdir back && racoon config convert -o back/racoon.conf racoon.hcl && racoon config show -f racoon.conf >a && racoon config show -f back/racoon.conf >b && cmp a b && racoon config show -f racoon.hcl >c && cmp a c"
}

step "the HCL file makes the tunnel" {
  at    = "left"
  start = true
}

step "it is the one that is read" {
  at     = "left"
  within = "20s"
  log    = ["configuration=/run/lab/racoon.hcl"]
}

step "with packets through it" {
  at     = "left"
  within = "45s"
  ping {}
}

step "its SPIs, before the reload" {
  at  = "left"
  run = "ip xfrm state | grep -o 'spi 0x[0-9a-f]*' | sort >spis; test $(grep -vc 'spi 0x00000000' spis) = 2"
}

step "another peer is added, and the log says more" {
  at = "left"
  run = <<-S
    sed -i 's/level = "debug"/level = "debug2"/' racoon.hcl
    cat >>racoon.hcl <<E
    remote "branch" {
      remote_address = "198.51.100.7"
      exchange_mode  = ["main"]
      proposal {
        encryption_algorithm  = "aes 256"
        hash_algorithm        = "sha256"
        authentication_method = "pre_shared_key"
        dh_group              = "ecp256"
      }
    }
    E
    racoonctl reload-config
  S
}

step "no packet is lost" {
  at = "left"
  ping {
    count    = 50
    interval = "20ms"
  }
}

step "by the same SAs" {
  at  = "left"
  run = "ip xfrm state | grep -o 'spi 0x[0-9a-f]*' | sort | cmp - spis"
}

step "a file that cannot be read changes nothing" {
  at    = "left"
  run   = "cp racoon.hcl good.hcl; sed -i 's/exchange_mode *=/exchange_mod =/' racoon.hcl; racoonctl reload-config"
  exit  = 1
  match = ["did you mean \"exchange_mode\""]
}

step "packets go on" {
  at = "left"
  ping {
    count    = 20
    interval = "20ms"
  }
}

step "the peer's own section changes" {
  at  = "left"
  run = "sed 's/^remote \"192.0.2.2\" {/&\\n  nonce_size = 32/' good.hcl >racoon.hcl; racoonctl reload-config"
}

step "its SAs stay" {
  at = "left"
  ping {
    count    = 20
    interval = "20ms"
  }
}

step "they are the same ones" {
  at  = "left"
  run = "ip xfrm state | grep -o 'spi 0x[0-9a-f]*' | sort | cmp - spis"
}

expect {
  sas  = 2
  esp  = true
  spis = 2
}

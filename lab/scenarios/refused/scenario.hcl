description = "what cannot be agreed is refused, with a log line that says why, and leaves nothing behind"

matrix {
  table = <<-T
    tags  case         left        right
    core  wrong-psk    racoon      racoon
    core  no-phase1    racoon      racoon
    full  no-phase2    racoon      racoon
    full  stranger     racoon      racoon
    full  wrong-psk    strongswan  racoon
    full  no-phase1    strongswan  racoon
    full  no-phase2    strongswan  racoon
    full  stranger     strongswan  racoon
    full  wrong-psk    racoon      strongswan
    full  no-phase1    racoon      strongswan
    full  no-phase2    racoon      strongswan
  T
}

params = { timer = "interval 1 sec;\n\tcounter 4;" }

left {
  daemon = var.left
}

right {
  daemon = var.right
  psk    = var.case == "wrong-psk" ? "another secret" : ""
  ike    = var.case == "no-phase1" ? "aes256-sha384-ecp384" : ""
  esp    = var.case == "no-phase2" ? "aes256gcm16" : ""
  params = {
    swanctl_start = "none"
    remote        = var.case == "stranger" ? "192.0.2.77" : ""
  }
}

step "no packet gets through" {
  at = "left"
  ping {
    count    = 5
    interval = "400ms"
    answered = "none"
  }
}

step "the log says why" {
  at     = daemon(var.right) == "racoon" ? "right" : "left"
  within = "45s"
  log = daemon(var.right) == "racoon" ? {
    wrong-psk = ["pre-shared keys probably differ.* reason=bad-decryption"]
    no-phase1 = ["the DH group is modp2048, ours is ecp384.* reason=no-proposal"]
    no-phase2 = ["the encryption algorithm is aes-cbc, ours is aes-gcm-16.* reason=no-proposal"]
    stranger  = ["no remote section for 192\\.0\\.2\\.1 .* reason=unknown-peer"]
  }[var.case] : {
    # What the peer tells us is all we know.
    wrong-psk = ["phase 1 negotiation failed.* reason=timed-out"]
    no-phase1 = ["the peer says: N{NO-PROPOSAL-CHOSEN"]
    no-phase2 = ["phase 2 negotiation failed: the peer refuses: NO-PROPOSAL-CHOSEN.* reason=peer-refused"]
  }[var.case]
}

step "nothing is left" {
  sas    = 0
  within = "20s"
}

expect {}

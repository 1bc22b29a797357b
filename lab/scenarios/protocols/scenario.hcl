description = "AH, IPComp and bundles of them with ESP, as policies ask for them"

matrix {
  table = <<-T
    tags  mode       protocols
    full  transport  ah
    full  tunnel     ah
    core  tunnel     esp+ah
    full  transport  esp+ah
    core  tunnel     ipcomp+esp
    full  transport  ipcomp+esp
    full  tunnel     ipcomp+esp+ah
    full  transport  ipcomp+esp+ah
  T
}

mode      = var.mode
protocols = var.protocols

left  { daemon = "racoon" }
right { daemon = "racoon" }

step "the first packets start the negotiation" {
  at     = "left"
  within = "15s"
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
  sas = { ah = 2, "esp+ah" = 4, "ipcomp+esp" = 4, "ipcomp+esp+ah" = 6 }[var.protocols]
  esp = true
}

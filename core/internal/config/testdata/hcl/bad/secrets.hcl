# HCL holds no secret itself, wherever it is written.
locals {
  psk    = "hunter2"
  secret = <<-EOT
    hunter2
  EOT
}
remote "192.0.2.1" {
  exchange_mode = ["main"]
  shared_secret {
    use = "hunter2"
  }
  shared_secret {
    use = local.psk
  }
  shared_secret {
    use = "file:"
  }
  shared_secret {
    use = <<-EOT
      hunter2
    EOT
  }
  shared_secret {
    use = ["hunter2"]
  }
  shared_secret {
    use = { text = "hunter2" }
  }
  pre_shared_key = "hunter2"
  secret         = "hunter2"
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
    psk                   = "hunter2"
  }
}
radiuscfg {
  auth {
    host   = "radius.example"
    secret = "hunter2"
  }
  acct {
    host   = "radius.example"
    secret = local.secret
  }
}
ldapcfg {
  bind_pw = "hunter2"
}

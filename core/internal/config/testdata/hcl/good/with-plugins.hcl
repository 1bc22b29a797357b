# Plugins with everything a block may hold.
locals {
  vault = "https://vault.example.org"
  bin   = "/usr/local/libexec/racoon"
}
kernel = "acme"
plugin "kernel" "acme" {
  path     = "${local.bin}/acme-kernel"
  sha256   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  critical = true
  config {
    device = "acme0"
    queue {
      depth = 64
    }
  }
}
plugin "auth" "vault" {
  path = "bin/vault"
  config {
    address = local.vault # an expression of this file
    token   = "env:VAULT_TOKEN"
  }
}
plugin "auth" "psk" {
  config {
    file = "psk.txt"
  }
}
plugin "log" "syslog" {}
remote "192.0.2.2" {
  exchange_mode = ["main"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}

# Values of the wrong type.
path {
  certificate    = 5
  include        = ["/a", "/b"]
  pre_shared_key = null
  script         = true
  backupsa       = { a = "b" }
}
log {
  level = 3
}
timer {
  counter  = "5"
  interval = 10
  phase1   = ["10 sec"]
  persend  = 1.5
}
padding {
  randomize      = "on"
  strict_check   = 1
  exclusive_tail = ["true"]
  maximum_length = -1
}
listen {
  isakmp         = [192, "192.0.2.1:port", "192.0.2.1[500]", "gw.example", null, ["192.0.2.2"]]
  isakmp_natt    = { a = "192.0.2.1" }
  strict_address = "yes"
  adminsock {
    path  = 5
    owner = 0
    mode  = "0660"
  }
}
mode_cfg {
  network4 = "10.0.0.0/24"
  dns4     = "10.0.0.53, 10.0.0.54"
  wins4    = [true]
  split_network {
    include = ["10.0.0.0", "10.0.0.0/99", "10.0.0.0/a"]
  }
}
remote "192.0.2.1" {
  exchange_mode     = [true, 1, "main"]
  my_identifier     = { fqdn = "gw.example", address = "192.0.2.1" }
  peers_identifier  = [{}, { fqdn = 5 }, { fqdn = null }, ["fqdn"], 5, true, "gw.example", { keyid = ["a"] }]
  verify_identifier = "on"
  nonce_size        = "16"
  passive           = "no"
  proposal_check    = true
  lifetime          = 3600
  nat_traversal     = "true"
  rekey             = "on"
  generate_policy   = "yes"
  xauth_login       = 5
  mode_cfg          = null
  named             = "yes"
  inherit           = 5
  shared_secret {
    key = 5
  }
  script {
    file  = ["/etc/racoon/up.sh"]
    event = "up"
  }
  proposal {
    encryption_algorithm  = ["aes 256"]
    hash_algorithm        = { a = "b" }
    authentication_method = true
    dh_group              = "fourteen"
    lifetime              = true
  }
  proposal {
    encryption_algorithm  = "aes two"
    hash_algorithm        = 5
    authentication_method = "pre shared key"
    dh_group              = 14.5
  }
}
sainfo {
  local                    = 5
  remote                   = ["10.0.0.0/8"]
  from                     = true
  group                    = 5
  pfs_group                = null
  encryption_algorithm     = [["aes"], null, 5, "aes 256 cbc", "aes_256"]
  authentication_algorithm = "hmac_sha256, hmac_sha1"
  compression_algorithm    = true
}

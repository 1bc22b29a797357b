# Every block that is one directive, or groups some.
path {
  include        = "."
  pre_shared_key = "psk.txt"
  certificate    = "certs"
  script         = "/etc/racoon/scripts"
  backupsa       = "/var/db/racoon.sa"
  pidfile        = "racoon.pid"
  logfile        = "/var/log/racoon.log"
}
log {
  level = "Notice"
}
complex_bundle = true
padding {
  randomize        = true
  randomize_length = false
  strict_check     = true
  exclusive_tail   = true
  maximum_length   = 255
}
listen {
  adminsock {
    path  = "/run/racoon.sock"
    owner = "root"
    group = "wheel"
    mode  = 0660
  }
}
radiuscfg {
  auth {
    host   = "radius1.example.org"
    secret = "file:radius.secret"
  }
  auth {
    port   = 1645
    secret = "env:RADIUS_SECRET"
    host   = "radius2.example.org"
  }
  acct {
    host   = "radius1.example.org"
    port   = 1646
    secret = "handle:radius"
  }
  timeout = 5
  retries = 2
}
ldapcfg {
  version     = 3
  debug       = 0
  timeout     = 10
  uri         = "ldaps://ldap.example.org"
  host        = "ldap.example.org"
  port        = 636
  base        = "ou=people, dc=example"
  subtree     = true
  bind_dn     = "cn=racoon, dc=example"
  bind_pw     = "file:/etc/racoon/ldap.secret"
  attr_user   = "uid"
  attr_addr   = "racoon-address"
  attr_mask   = "racoon-netmask"
  attr_group  = "cn"
  attr_member = "member"
}
mode_cfg {
  network4       = "10.99.0.10"
  netmask4       = "255.255.255.0"
  pool_size      = 200
  dns4           = ["10.0.0.53", "10.0.0.54"]
  wins4          = "10.0.0.137"
  default_domain = "corp.example"
  split_network {
    include = ["10.0.0.0/8", "172.16.0.0/12"]
  }
  split_network {
    local_lan = "192.168.0.0/16"
  }
  split_dns     = ["corp.example", "lab.example"]
  auth_source   = "radius"
  auth_groups   = ["vpn", "wheel"]
  group_source  = "system"
  conf_source   = "radius"
  accounting    = "radius"
  auth_throttle = 3
  pfs_group     = 14
  save_passwd   = false
  banner        = "motd"
}
remote "everything" {
  remote_address    = "198.51.100.1:500"
  exchange_mode     = ["main", "base"]
  doi               = "ipsec_doi"
  situation         = "identity_only"
  my_identifier     = "asn1dn"
  peers_identifier  = ["fqdn", { fqdn = "a.example.org" }, { user_fqdn = "b@example.org" }, { keyid = "c" }, { keyid_file = "inc/branch.keyid" }, { asn1dn = "C=NO, CN=*" }, { address = "2001:db8::9" }]
  verify_identifier = true
  nonce_size        = 32
  passive           = false
  initial_contact   = false
  proposal_check    = "claim"
  ph1id             = 4294967295
  lifetime          = "3600 sec"
  nat_traversal     = "force"
  ike_frag          = true
  rekey             = false
  dpd               = true
  dpd_delay         = 20
  dpd_retry         = 6
  dpd_maxfail       = 4
  on_loss           = "restart"
  generate_policy   = "unique"
  support_proxy     = true
  weak_phase1_check = false
  sha256_96         = true
  mode_cfg          = true
  xauth_login       = "bob"
  verify_cert       = true
  send_cert         = false
  send_cr           = true
  match_empty_cr    = false
  ike_version       = 1
  local_address     = "192.0.2.1"
  dpd_algorithm     = "dpd_blackhole_detect"

  nat_traversal_multi_user = true
  nat_traversal_keepalive  = false
  open_dir_auth_group      = "vpn"

  script {
    file  = "up.sh"
    event = "phase1_up"
  }
  script {
    event = "phase1_down"
    file  = "/usr/local/sbin/down"
  }
  disconnect_on_idle {
    timeout   = 120
    direction = "idle_inbound"
  }
  certificate_type {
    x509 {
      certificate = "gw.pem"
      key         = "gw.key"
    }
  }
  peers_certfile {
    x509 = "peer.pem"
  }
  ca_type {
    x509 = "ca.pem"
  }
  certificate_verification {
    openssl = "use_peers_identifier"
  }
  shared_secret {
    use = "file:/etc/racoon/one.secret"
  }
  proposal {
    encryption_algorithm  = "camellia 256"
    hash_algorithm        = "sha512"
    authentication_method = "xauth_psk_client"
    dh_group              = "x25519"
    lifetime              = "90 min"
  }
  allow_legacy = "2027-06-30"
}
remote "other forms" {
  exchange_mode = "main"
  xauth_login   = true
  mode_cfg      = false
  my_identifier = { keyid_use = "c" }
  certificate_type {
    plain_rsa = "gw.rsa"
  }
  peers_certfile {
    dnssec = true
  }
  certificate_verification {
    sec_framework = true
  }
  shared_secret {
    keychain_by_id = true
  }
  proposal {
    encryption_algorithm  = "aes"
    hash_algorithm        = "sha384"
    authentication_method = "rsasig"
    dh_group              = "19"
  }
}
remote "more forms" {
  inherit     = "other forms"
  xauth_login = false
  certificate_verification {
    openssl = false
  }
  shared_secret {
    key = "gw.example.org"
  }
}

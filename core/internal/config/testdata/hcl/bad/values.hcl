# Values that are read and refused.
path {
  pre_shared_key = "psk.txt"
}
listen {
  isakmp      = ["224.0.0.1", "fe80::1", "192.0.2.1:0", "192.0.2.1:99999"]
  isakmp_natt = ["192.0.2.1"]
  adminsock {
    path = "racoon.sock"
    mode = 999
  }
}
mode_cfg {
  network4     = "2001:db8::1"
  dns4         = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
  pfs_group    = 19
  auth_source  = "nis"
  group_source = "ldap"
}
remote "a" {
  remote_address  = "gw.example"
  exchange_mode   = ["base"]
  my_identifier   = { address = "gw.example" }
  peers_identifier = [{ asn1dn = "Example" }, { keyid_file = "none.keyid" }, { subnet = "10.0.0.0/8" }]
  situation       = "secrecy"
  doi             = "ipsec"
  ike_version     = 2
  certificate_type {
    x509 {
      certificate = "a.pem"
    }
  }
  certificate_type {
    x509 {
      certificate = "a.pem"
      key         = "a.key"
    }
    plain_rsa = "a.key"
  }
  disconnect_on_idle {
    timeout = 10
  }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
  }
}

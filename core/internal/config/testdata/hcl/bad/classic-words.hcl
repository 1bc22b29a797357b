# HCL with the words of the classic language.
path {
  pre_shared_key = "/etc/racoon/psk.txt"
}
remote anonymous {
  exchange_mode  = main
  proposal_check = strict
  passive        = on
  nat_traversal  = "on"
  lifetime       = "time 8 hour"
  lifetime_time  = "8 hour"
  proposal {
    encryption_algorithm  = "aes", "3des"
    hash_algorithm        = sha256
    authentication_method = pre_shared_key
    dh_group              = modp2048
  }
}
sainfo anonymous {
  lifetime = "8 hour";
}

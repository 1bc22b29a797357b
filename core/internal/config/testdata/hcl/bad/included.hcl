# Mistakes in included files have their place there.
path {
  pre_shared_key = "psk.txt"
}
include {
  file = "inc/plugins.hcl"
}
include {
  file = "inc/wrong.conf"
}
include {
  file = "inc/locals.hcl"
}
include {
  file = "inc/loop.hcl"
}
include {
  file = "inc/none.hcl"
}
include {
  file = 5
}
include {
  files = "inc/none.hcl"
}
include {
  file  = "inc/none-*.hcl"
  again = true
}

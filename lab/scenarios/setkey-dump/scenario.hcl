description = "a file with every construct of setkey(8) comes back in a dump of a real kernel"
time_limit  = "240s"

# A row for each kernel plugin.
matrix {
  table = <<-T
    tags  kernel
    core  xfrm
    core  pfkey
  T
}

left {
  daemon = "none"
}

right {
  daemon = "none"
}

step "what is loaded is dumped, and flushed" {
  at     = "left"
  run    = "cd \"$REPO/core/internal/setkey\" && SETKEY=setkey SETKEY_PLUGIN=${var.kernel} \"$REPO/build/setkey.test\" -test.v -test.run '^TestARealKernelDumpsWhatIsLoaded$'"
  match  = ["PASS: TestARealKernelDumpsWhatIsLoaded"]
  absent = ["SKIP", "FAIL"]
}

expect {}

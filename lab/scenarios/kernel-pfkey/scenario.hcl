description = "the kernel-pfkey plugin's own tests, on a kernel that has PF_KEY"
tags        = ["core"]
time_limit  = "240s"

left {
  daemon = "none"
}

right {
  daemon = "none"
}

# Where the host's kernel has no PF_KEY, `go test` skips these.
step "the contract of a kernel plugin holds" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-pfkey/pfkey\" && \"$REPO/build/pfkey.test\" -test.v"
  match  = ["PASS: TestConformance"]
  absent = ["SKIP", "FAIL"]
}

expect {}

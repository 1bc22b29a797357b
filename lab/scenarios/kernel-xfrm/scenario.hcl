description = "the kernel-xfrm plugin's own tests, on a kernel that has ESP"
tags        = ["core"]
time_limit  = "120s"

left {
  daemon = "none"
}

right {
  daemon = "none"
}

# Where the host's kernel has no ESP, `go test` skips these.
step "SAs are installed, mature, expire, roll back and move" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-xfrm/xfrm\" && \"$REPO/build/xfrm.test\" -test.v -test.run '^Test(EverySupported|ALarval|TimeLimits|AFailed|AnSAMoves)'"
  match  = ["PASS: TestEverySupportedAlgorithmMakesAnSA", "PASS: TestALarvalSABecomesMatureAndPassesPackets", "PASS: TestTimeLimitsExpireAnSA", "PASS: TestAFailedTransactionIsRolledBack", "PASS: TestAnSAMovesToNewEndpointsWithKeysAndCounters"]
  absent = ["SKIP", "FAIL"]
}

step "it keeps the contract of a kernel plugin, of which nothing is left out here" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-xfrm/xfrm\" && \"$REPO/build/xfrm.test\" -test.v -test.run '^TestConformance$'"
  match  = ["PASS: TestConformance "]
  absent = ["SKIP", "FAIL"]
}

expect {}

description = "the kernel-xfrm plugin's own tests, on a kernel that has ESP"
tags        = ["core"]
time_limit  = "120s"

left {
  daemon = "none"
}

right {
  daemon = "none"
}

# Where the host's kernel has no ESP, `go test` skips most of these.
step "every protocol, mode and family carries packets; SAs are installed, mature, expire, roll back and move" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-xfrm/xfrm\" && \"$REPO/build/xfrm.test\" -test.v -test.skip '^TestARequestTheKernelCannotServe'"
  match  = ["PASS: TestTrafficPasses", "PASS: TestEverySupportedAlgorithmMakesAnSA", "PASS: TestALarvalSABecomesMatureAndPassesPackets", "PASS: TestTimeLimitsExpireAnSA", "PASS: TestAFailedTransactionIsRolledBack", "PASS: TestAnSAMovesToNewEndpointsWithKeysAndCounters"]
  absent = ["SKIP", "FAIL"]
}

expect {}

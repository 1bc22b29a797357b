description = "the kernel-xfrm plugin's own tests, on a kernel that has ESP"
tags        = ["core"]
time_limit  = "180s"

left {
  daemon = "none"
}

right {
  daemon = "none"
}

# These are what `go test` skips where the host's kernel has no ESP (lab/skips); the one
# left out is for such kernels.
step "every protocol, mode and family carries packets; SAs are installed, mature, expire, roll back and move" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-xfrm/xfrm\" && \"$REPO/build/xfrm.test\" -test.v -test.skip '^TestARequestTheKernelCannotServe'"
  match  = [
    "PASS: TestEverySupportedAlgorithmMakesAnSA",
    "PASS: TestALarvalSABecomesMatureAndPassesPackets",
    "PASS: TestTimeLimitsExpireAnSA",
    "PASS: TestAFailedTransactionIsRolledBack",
    "PASS: TestAnSAMovesToNewEndpointsWithKeysAndCounters",
    "PASS: TestADumpGivesBackWhatWasInstalled",
    "PASS: TestTwoThousandSAsAndPolicies",
    "PASS: TestOctetLimitsExpireAnSA",
    "PASS: TestTrafficPasses",
    "PASS: TestTheReplayWindowIsAsWideAsItSays",
    "PASS: TestEndsThatCutTheICVOtherwiseAreCounted",
    "PASS: TestAMovedPeerIsReported",
    "PASS: TestALarvalSAExpires",
    "PASS: TestOffloadIsAWish",
  ]
  absent = ["SKIP", "FAIL"]
}

expect {}

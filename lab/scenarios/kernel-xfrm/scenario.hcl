description = "the kernel-xfrm plugin's own tests, on a kernel that has ESP"
tags        = ["core"]
time_limit  = "360s"

left {
  daemon = "none"
}

right {
  daemon = "none"
}

# These are what `go test` skips where the host's kernel has no ESP (lab/skips); the one
# left out is for such kernels, and the next step has the contract.
step "every protocol, mode and family carries packets; SAs are installed, mature, expire, roll back and move" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-xfrm/xfrm\" && \"$REPO/build/xfrm.test\" -test.v -test.skip '^Test(ARequestTheKernelCannotServe|Conformance)'"
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

step "it keeps the contract of a kernel plugin, of which nothing is left out here" {
  at     = "left"
  run    = "cd \"$REPO/plugins/kernel-xfrm/xfrm\" && \"$REPO/build/xfrm.test\" -test.v -test.run '^TestConformance$'"
  match  = ["PASS: TestConformance "]
  absent = ["SKIP", "FAIL"]
}

expect {}

description = "the kernel plugin is killed while a real kernel has 2,000 SAs and policies"
tags        = ["kernel"]
time_limit  = "360s"

left {
  daemon = "none"
}

right {
  daemon = "none"
}

# The engine's own test, with scripts for machines: negotiating 1,000 tunnels would
# take the guest minutes and show nothing more.
step "2,000 SAs are installed, the plugin is killed, everything is compared soon" {
  at     = "left"
  run    = "cd \"$REPO/core/internal/engine\" && RACOON_TEST_KERNEL_PLUGIN=\"$REPO/build/libexec/racoon/plugins/racoon-kernel-xfrm\" \"$REPO/build/engine.test\" -test.v -test.run AKilledPluginIsComparedWithARealKernel"
  match  = ["PASS: TestAKilledPluginIsComparedWithARealKernel", "2000 SAs and [0-9]+ policies dumped in", "half of them are left over: killed, back and compared in"]
  absent = ["SKIP", "FAIL"]
}

expect {}

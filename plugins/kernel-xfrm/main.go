//go:build linux

// Command kernel-xfrm is racoon's way to the IPsec of the Linux kernel. It is
// started by the daemon.
package main

import (
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/kernel-xfrm/xfrm"
)

// version is set when a release is linked.
var version = "dev"

func main() { plugin.Serve(xfrm.Spec(version)) }

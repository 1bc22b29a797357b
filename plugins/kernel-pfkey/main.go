// Command kernel-pfkey is racoon's way to the IPsec of BSD and Darwin kernels, and to
// that of Linux by af_key. It is started by the daemon.
package main

import (
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/kernel-pfkey/pfkey"
)

// version is set when a release is linked.
var version = "dev"

func main() { plugin.Serve(pfkey.Spec(version)) }

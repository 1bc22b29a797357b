// Command auth-psk holds pre-shared keys for racoon. It is started by the daemon.
package main

import (
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/auth-psk/psk"
)

// version is set when a release is linked.
var version = "dev"

func main() { plugin.Serve(psk.Spec(version)) }

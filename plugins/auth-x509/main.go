// Command auth-x509 authenticates with certificates for racoon. It is started by
// the daemon.
package main

import (
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/auth-x509/x509"
)

// version is set when a release is linked.
var version = "dev"

func main() { plugin.Serve(x509.Spec(version)) }

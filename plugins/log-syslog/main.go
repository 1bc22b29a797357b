// Command log-syslog writes racoon's log to syslog. It is started by the daemon.
package main

import (
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/log-syslog/syslog"
)

// version is set when a release is linked.
var version = "dev"

func main() { plugin.Serve(syslog.Spec(version)) }

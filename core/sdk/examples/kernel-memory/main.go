// Command kernel-memory is a kernel plugin to copy from: SAs and policies in memory,
// and no packets. docs/porting-kernel.md walks through it.
package main

import "github.com/racoon-ike/racoon/core/sdk/plugin"

// version is set when a release is linked.
var version = "dev"

func main() { plugin.Serve(newSpec(version)) }

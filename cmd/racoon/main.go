// Command racoon is the IKE daemon, see racoon(8).
package main

import (
	"os"

	"github.com/racoon-ike/racoon/core"
)

func main() { os.Exit(core.Main(os.Args, os.Stdout, os.Stderr)) }

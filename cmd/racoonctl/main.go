// Command racoonctl talks to the racoon daemon; see racoonctl(8).
package main

import (
	"os"

	"github.com/racoon-ike/racoon/core"
)

func main() { os.Exit(core.Ctl(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Command setkey manages SAs and policies by hand; see setkey(8).
package main

import (
	"os"

	"github.com/racoon-ike/racoon/core"
)

func main() { os.Exit(core.Setkey(os.Args, os.Stdin, os.Stdout, os.Stderr)) }

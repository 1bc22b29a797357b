//go:build !linux

// Command kernel-xfrm is racoon's way to the IPsec of the Linux kernel.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "kernel-xfrm: XFRM is the IPsec of Linux; on %s use kernel-pfkey\n", runtime.GOOS)
	os.Exit(1)
}

package core

import (
	"io"

	"github.com/racoon-ike/racoon/core/internal/ctl"
)

// Ctl is racoonctl. args are the words after the program's name; the result is the
// exit status.
func Ctl(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return ctl.Main(args, stdin, stdout, stderr)
}

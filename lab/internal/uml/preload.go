//go:build linux

package uml

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed preload/xstate.c
var xstateSource []byte

// preload compiles the library that the guest's kernel needs on hosts with a
// large processor state; preload/xstate.c tells why.
func preload(dir string) (library string, err error) {
	source := filepath.Join(dir, "xstate.c")
	if err := os.WriteFile(source, xstateSource, 0o644); err != nil {
		return "", err
	}
	library = filepath.Join(dir, "xstate.so")
	out, err := exec.Command("cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cc %s: %w: %s", source, err, out)
	}
	return library, nil
}

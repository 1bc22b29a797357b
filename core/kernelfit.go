package core

import (
	"runtime"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
)

// codeMisfit: the kernel back end cannot do what a remote section asks for.
const codeMisfit = "RC3009"

// sha256ICVs are the lengths in bits to which our back ends cut HMAC-SHA2-256, the first
// unasked: for checks without a kernel. The daemon asks its plugin.
func sha256ICVs(backend, system string) []uint16 {
	switch {
	case backend == "xfrm":
		return []uint16{128, 96}
	case backend == "pfkey" && system == "linux": // no field of PF_KEY names another length
		return []uint16{96}
	case backend == "pfkey":
		return []uint16{128}
	}
	return nil // somebody else's: the daemon will know
}

// checkKernel says which sections ask for what the kernel back end cannot do.
func checkKernel(loaded *config.Loaded) (found []config.Diagnostic) {
	for _, s := range loaded.Plugins {
		if s.Kind != pluginhost.KindKernel {
			continue
		}
		for _, m := range doi.Misfits(loaded.Policy, sha256ICVs(s.Name, runtime.GOOS)) {
			found = append(found, config.Diagnostic{Code: codeMisfit, Severity: config.Warning,
				File: m.Remote.Where.File, Line: m.Remote.Where.Line, What: "remote " + m.Remote.Name + ": " + m.What, Fix: m.Fix})
		}
	}
	return found
}

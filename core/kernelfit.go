package core

import (
	"runtime"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
)

// codeMisfit: the kernel back end cannot do what a section asks for.
const codeMisfit = "RC3009"

// knownBackEnd is what one of our own back ends can do: for checks without a kernel. The
// daemon asks its plugin.
func knownBackEnd(name, system string) (can doi.BackEnd, ok bool) {
	switch {
	case name == "xfrm":
		return doi.BackEnd{SHA256: []uint16{128, 96}, ESN: true}, true
	case name == "pfkey" && system == "linux": // no field of PF_KEY names another length, nor ESN
		return doi.BackEnd{SHA256: []uint16{96}}, true
	case name == "pfkey":
		return doi.BackEnd{SHA256: []uint16{128}, ESN: system == "freebsd"}, true // of release 13 on
	}
	return can, false // somebody else's: the daemon will know
}

// checkKernel says of the back end that is configured what the daemon will say of the one
// that runs.
func checkKernel(loaded *config.Loaded) (found []config.Diagnostic) {
	for _, s := range loaded.Plugins {
		can, ok := knownBackEnd(s.Name, runtime.GOOS)
		if s.Kind != pluginhost.KindKernel || !ok {
			continue
		}
		for _, m := range doi.Misfits(loaded.Policy, can) {
			d := config.Diagnostic{Code: codeMisfit, Severity: config.Warning, File: m.Where.File, Line: m.Where.Line, What: m.What, Fix: m.Fix}
			if m.Remote != "" {
				d.What = "remote " + m.Remote + ": " + m.What
			}
			found = append(found, d)
		}
	}
	return found
}

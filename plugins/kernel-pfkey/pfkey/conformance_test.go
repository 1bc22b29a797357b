package pfkey

import (
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
)

// The kernel of a build machine may lack PF_KEY; the contract holds where it does not.
func TestConformance(t *testing.T) {
	plugintest.Kernel(t, plugintest.Subject{
		Spec:       func() plugin.Spec { return spec("test", anySocket) },
		Config:     `{"pfkey_buffer":512}`,
		BadConfigs: []string{`{"pfkey_buffer":-1}`, `{"pfkey_buffer":99999999}`},
		Refuses:    true,
	}, plugintest.KernelWant{})
}

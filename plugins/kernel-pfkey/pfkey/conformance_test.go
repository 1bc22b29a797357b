package pfkey

import (
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
)

func subject() plugintest.Subject {
	return plugintest.Subject{
		Spec:       func() plugin.Spec { return Spec("test") },
		Config:     `{"pfkey_buffer":512}`,
		BadConfigs: []string{`{"pfkey_buffer":-1}`, `{"pfkey_buffer":99999999}`},
	}
}

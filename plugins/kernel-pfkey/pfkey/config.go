package pfkey

import (
	"fmt"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

// Config is the plugin's configuration.
type Config struct {
	// Buffer is the size of the kernel's queue of events to us, in kB; 0 asks for 2 MB.
	Buffer uint32 `json:"pfkey_buffer"`
	// DumpKeys lets Dump give out keys. For setkey(8) only.
	DumpKeys bool `json:"dump_keys"`
}

const maxKB = 1 << 20 // of pfkey_buffer

// Schema declares Config.
func Schema() *config.Schema {
	lo, hi := 0.0, float64(maxKB)
	return &config.Schema{
		Version:     1,
		Description: "Kernel IPsec over PF_KEY version 2",
		Body: config.Body{Attrs: []config.Attr{
			{
				Name: "pfkey_buffer", Type: "number", Default: "0", Min: &lo, Max: &hi,
				Doc: "kernel buffer for events not yet read, in kB; 0 asks for 2048. When it overflows the engine reads everything anew",
			},
			{
				Name: "dump_keys", Type: "bool", Default: "false",
				Doc: "give out keys of SAs when asked; for setkey -D only",
			},
		}},
	}
}

// ParseConfig decodes v. A value out of range is a diagnostic that names it.
func ParseConfig(v config.Value) (c Config, diags config.Diagnostics) {
	if len(v.JSON) > 0 {
		if err := v.Decode(&c); err != nil {
			return c, config.Diagnostics{{Severity: config.Error, Summary: "the configuration is not as described by the schema", Detail: err.Error(), Code: "PFKEY001"}}
		}
	}
	if c.Buffer > maxKB {
		return c, config.Diagnostics{{
			Severity: config.Error, Path: []string{"pfkey_buffer"}, Code: "PFKEY002",
			Summary: fmt.Sprintf("pfkey_buffer of %d kB is too large", c.Buffer), Fix: fmt.Sprintf("at most %d", maxKB),
		}}
	}
	return c, nil
}

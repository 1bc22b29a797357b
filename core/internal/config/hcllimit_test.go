package config

import (
	"strings"
	"testing"
)

// TestValuesOfAttributesAreBounded like those of locals: a list of large texts does not
// cost minutes, and a text nested without end does not end the daemon.
func TestValuesOfAttributesAreBounded(t *testing.T) {
	const deep = 200_000
	want := map[string]string{"multiplied": "is too large a value", "nested": "cannot be computed"}
	for name, text := range map[string]string{
		"multiplied": "locals {\n big = \"" + strings.Repeat("x", 60000) + "\"\n l = range(1000)\n}\nremote \"x\" {\n exchange_mode = [for x in local.l : \"${local.big}${x}\"]\n}\n",
		"nested":     "locals {\n a = jsondecode(\"" + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "\")\n}\n",
	} {
		if _, diags := load(t, "x.hcl", text); !strings.Contains(render(diags), want[name]) {
			t.Errorf("%s: no complaint", name)
		}
	}
}

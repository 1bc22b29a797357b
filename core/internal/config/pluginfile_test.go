package config

import (
	"errors"
	"testing"

	sdk "github.com/racoon-ike/racoon/core/sdk/config"
)

func TestAPluginsConfigurationInAFileOfItsOwn(t *testing.T) {
	declared := &sdk.Schema{Version: 1, Body: sdk.Body{Attrs: []sdk.Attr{{Name: "window", Type: "number"}}}}
	for _, c := range []struct {
		text, json string
		line       int // of the complaint
	}{
		{"window = 64\n", `{"window":64}`, 0},
		{"", `{}`, 0},
		{"# nothing\nwindow = \n", "", 2},
		{"windwo = 64\n", "", 1},
	} {
		s, err := PluginFile("kernel", "mine", "mine.hcl", c.text)
		var got []byte
		if err == nil {
			got, err = s.Decode(declared)
		}
		var invalid *Invalid
		switch {
		case c.line == 0 && (err != nil || string(got) != c.json):
			t.Errorf("%q: %s, %v", c.text, got, err)
		case c.line != 0 && (!errors.As(err, &invalid) || invalid.Diagnostics[0].File != "mine.hcl" || invalid.Diagnostics[0].Line != c.line):
			t.Errorf("%q: %s, %v; want a complaint about line %d", c.text, got, err, c.line)
		}
	}
}

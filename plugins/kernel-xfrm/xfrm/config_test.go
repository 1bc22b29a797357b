//go:build linux

package xfrm

import (
	"encoding/json"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

func TestConfigurationIsReadAndChecked(t *testing.T) {
	for _, tt := range []struct {
		name, json string
		want       Config
		path, code string
	}{
		{"nothing is the default", ``, Config{ReplayWindow: 64, EventBuffer: 2048}, "", ""},
		{"all values", `{"replay_window":4096,"event_buffer":64,"offload":"eth0","dump_keys":true}`, Config{4096, 64, "eth0", true}, "", ""},
		{"no replay window", `{"replay_window":0}`, Config{}, "replay_window", "XFRM002"},
		{"a window too narrow", `{"replay_window":31}`, Config{}, "replay_window", "XFRM002"},
		{"a window too wide", `{"replay_window":4097}`, Config{}, "replay_window", "XFRM002"},
		{"a buffer too small", `{"event_buffer":1}`, Config{}, "event_buffer", "XFRM002"},
		{"not a number", `{"replay_window":"x"}`, Config{}, "", "XFRM001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, diags := ParseConfig(config.Value{JSON: json.RawMessage(tt.json)})
			if tt.code == "" {
				if got != tt.want || len(diags) != 0 {
					t.Errorf("%+v, %v; want %+v", got, diags, tt.want)
				}
				return
			}
			if len(diags) != 1 || diags[0].Code != tt.code || tt.path != "" && diags[0].Path[0] != tt.path {
				t.Errorf("diagnostics %+v, want %s at %q", diags, tt.code, tt.path)
			}
		})
	}
}

func TestTheSchemaDeclaresWhatConfigHas(t *testing.T) {
	var fields map[string]any
	b, err := json.Marshal(Config{})
	if err == nil {
		err = json.Unmarshal(b, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range Schema().Body.Attrs {
		if _, ok := fields[a.Name]; !ok {
			t.Errorf("attribute %s is not in Config", a.Name)
		}
		delete(fields, a.Name)
	}
	if len(fields) != 0 {
		t.Errorf("Config has fields %v that the schema lacks", fields)
	}
}

//go:build linux

package main

import (
	"testing"

	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

func TestTagsChooseScenarios(t *testing.T) {
	for _, tt := range []struct {
		tags string
		want [4]bool // of core, none, soak, core and soak
	}{
		{"", [4]bool{true, true, false, false}},
		{"core", [4]bool{true, false, false, true}},
		{"soak", [4]bool{false, false, true, true}},
		{"!core", [4]bool{false, true, false, false}},
		{"soak,!core", [4]bool{false, false, true, false}},
	} {
		for i, has := range [][]string{{"core"}, nil, {"soak"}, {"core", "soak"}} {
			if got := wanted(&scenario.Scenario{Tags: has}, tt.tags); got != tt.want[i] {
				t.Errorf("-tags %q of a scenario with %q: %v, want %v", tt.tags, has, got, tt.want[i])
			}
		}
	}
}

package core

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOptionsAreReadAsGetoptDoes: clusters, attached values, repetition, and what
// is refused.
func TestOptionsAreReadAsGetoptDoes(t *testing.T) {
	def := flags{name: "racoon", config: DefaultConfig, port: 500, natt: 4500}
	with := func(change func(*flags)) flags {
		f := def
		change(&f)
		return f
	}
	for _, c := range []struct {
		name, args string
		want       flags
		fails      string
	}{
		{"nothing", "/usr/sbin/racoon", def, ""},
		{"a cluster with a repeated letter", "racoon -Fdd", with(func(f *flags) { f.foreground, f.debug = true, 2 }), ""},
		{"a cluster that ends in an option with a value", "racoon -Fddf /tmp/r.conf", with(func(f *flags) { f.foreground, f.debug, f.config = true, 2, "/tmp/r.conf" }), ""},
		{"a cluster with an attached value", "racoon -dLl/tmp/log", with(func(f *flags) { f.debug, f.locations, f.logFile = 1, true, "/tmp/log" }), ""},
		{"attached numbers", "racoon -p1500 -P14500", with(func(f *flags) { f.port, f.natt = 1500, 14500 }), ""},
		{"families", "racoon -46", with(func(f *flags) { f.v4, f.v6 = true, true }), ""},
		{"all the others", "racoon -BCtvV", with(func(f *flags) { f.restore, f.dump, f.check, f.verbose, f.version = true, true, true, true, true }), ""},
		{"the last of several values", "racoon -f a -f b", with(func(f *flags) { f.config = "b" }), ""},
		{"another name", "/opt/racoon2 -t", with(func(f *flags) { f.name, f.check = "racoon2", true }), ""},
		{"an unknown letter", "racoon -q", flags{}, "unknown shorthand flag: 'q'"},
		{"a missing value", "racoon -f", flags{}, "needs an argument"},
		{"a word that is no option", "racoon stop", flags{}, `"stop" is no option`},
		{"a port that is none", "racoon -p 70000", flags{}, "from 1 to 65535"},
		{"a port that is no number", "racoon -p isakmp", flags{}, "invalid argument"},
		{"port 0", "racoon -p 0", flags{}, "from 1 to 65535"},
		{"one port for both", "racoon -p 4500", flags{}, "same port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseFlags(strings.Fields(c.args))
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("error %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, *got, cmp.AllowUnexported(flags{})); d != "" {
				t.Error(d)
			}
		})
	}
}

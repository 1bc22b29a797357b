package psk

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// random makes keys as openssl rand -hex 32 does, always the same ones.
func random() func() string {
	source := rand.NewChaCha8([32]byte{7})
	return func() string {
		return fmt.Sprintf("%016x%016x%016x%016x", source.Uint64(), source.Uint64(), source.Uint64(), source.Uint64())
	}
}

func TestWhatIsFoundAboutKeys(t *testing.T) {
	key := random()
	a, b, c := key(), key(), key()
	for _, tt := range []struct {
		name, in string
		asked    string // by a section
		want     []string
	}{
		{name: "random keys: nothing", in: "x " + a + "\ny 0x" + b + "\n"},
		{name: "a word", in: "x password\n", want: []string{"1 PSK001 0 the key can be guessed: it has fewer than 20 bits, 80 are needed"}},
		{name: "a phrase", in: "x " + a + "\ny correct horse battery staple\n", want: []string{"2 PSK001 0 the key can be guessed: it has fewer than 80 bits"}},
		{name: "its own name", in: "gw.example.org gw.example.org\n", want: []string{"1 PSK001 0 the key can be guessed: it has fewer than 20 bits, 80 are needed"}},
		{name: "a short key of random octets", in: "x 0xd92c4f1b03a8e65b7fc1923e0d8a54b6\n"},
		{name: "one key of two", in: "x " + a + "\nz " + c + "\ny " + a + "\n", want: []string{"1 PSK009 0 the key is also that of the identity in line 3, so that each can pass for the others"}},
		{name: "one key of three, written differently", in: "x 0xd92c4f1b03a8e65b7fc1923e0d8a54b6\ny 0xD92C4F1B 03A8E65B7FC1923E0D8A54B6\nz 0xd92c4f1b03a8e65b7fc1923e0d8a54b6\n",
			want: []string{"1 PSK009 0 the key is also that of 2 more identities, the next in line 2, so that each can pass for the others"}},
		{name: "one identity may have its key twice", in: "x " + a + "\nx " + a + "\n"},
		{name: "a wildcard", in: "x " + a + "\n* " + b + "\n", want: []string{"2 PSK010 1 this key serves every peer that has none of its own, and each of them can pass for any other"}},
		{name: "behind a wildcard", in: "* " + b + "\nx " + a + "\n", want: []string{"1 PSK010 1 this key serves every peer that has none of its own, and each of them can pass for any other", "2 PSK011 0 is never used: line 1 comes first"}},
		{name: "behind a wildcard, but asked for", in: "* " + b + "\nx " + a + "\n", asked: "x", want: []string{"1 PSK010 1 this key serves every peer that has none of its own, and each of them can pass for any other"}},
		{name: "the same identity further down", in: "x " + a + "\ny " + b + "\nx " + c + "\n", want: []string{"3 PSK011 0 is never used: line 1 comes first"}},
		{name: "a fifth key", in: "x " + key() + "\nx " + key() + "\nx " + key() + "\nx " + key() + "\nx " + key() + "\n", want: []string{"5 PSK011 0 is never used: line 1 comes first"}},
		{name: "behind one that cannot be read", in: "x " + a + "\nx 0xzz\nx " + c + "\n", want: []string{"2 PSK011 0 is never used: line 1 comes first", "3 PSK011 0 is never used: line 1 comes first"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table, _ := parse([]byte(tt.in))
			var got []string
			for _, f := range ordered(audit(table, strength.New().Round(), map[string]bool{tt.asked: tt.asked != ""})) {
				got = append(got, fmt.Sprintf("%d %s %d %s", f.line, f.code, f.severity-config.Warning, f.text))
				if f.fix == "" {
					t.Errorf("%v does not say how to mend it", f)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}

// TestALargeFileOfWeakKeys: what is found must fit into one answer of the plugin,
// and tell how much there is.
func TestALargeFileOfWeakKeys(t *testing.T) {
	var in strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&in, "10.%d.%d.%d password %d \n", i>>16, i>>8&255, i&255, i)
	}
	fmt.Fprintf(&in, "a %s\n", random()())
	_, _, diags := instance(t, keyFile(t, in.String()), nil)
	count := map[string]int{}
	for _, d := range diags {
		count[d.Code]++
	}
	if d := cmp.Diff(map[string]int{"PSK001": maxFindings, "PSK002": maxFindings, "PSK012": 1}, count); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	if all := fmt.Sprint(diags); !strings.Contains(all, "psk.txt:100: ends with a blank or a carriage return, which is part of the key (and 49900 more lines like this)") {
		t.Error("the last one does not say how many follow")
	}
}

// TestKeysThatWereNotLookedUp are told, and looked up when the file is read again.
func TestKeysThatWereNotLookedUp(t *testing.T) {
	var in strings.Builder
	source := rand.NewChaCha8([32]byte{})
	for i := range 300 {
		fmt.Fprintf(&in, "10.0.%d.%d Orbit-%d-lantern-%d-mist-%d\n", i>>8, i&255, source.Uint64(), i, source.Uint64())
	}
	spec := Spec("test")
	v, err := json.Marshal(map[string]string{"file": keyFile(t, in.String())})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PSK012", ""} {
		got, severity := "", config.Note
		for _, d := range spec.Validate(t.Context(), config.Value{JSON: v}) {
			got, severity = d.Code, d.Severity
		}
		if got != want || severity != config.Note {
			t.Errorf("%q (%d), want %q", got, severity, want)
		}
	}
}

// BenchmarkReadTenThousandKeys is what a start of the plugin does: Validate, and
// then Auth.
func BenchmarkReadTenThousandKeys(b *testing.B) {
	key := random()
	for _, c := range []struct {
		name string
		line func(i int) string
	}{
		{"random", func(int) string { return key() }},
		{"words", func(i int) string { return fmt.Sprintf("Orbit-lantern-%d-mist-%s", i, key()[:12]) }},
	} {
		var in strings.Builder
		for i := range 10_000 {
			fmt.Fprintf(&in, "10.0.%d.%d %s\n", i>>8, i&255, c.line(i))
		}
		path := filepath.Join(b.TempDir(), "psk.txt")
		if err := os.WriteFile(path, []byte(in.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		v := config.Value{JSON: fmt.Appendf(nil, `{"file":%q}`, path)}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				spec := Spec("test")
				spec.Validate(b.Context(), v)
				spec.Auth(b.Context(), v, plugin.Env{})
			}
		})
	}
}

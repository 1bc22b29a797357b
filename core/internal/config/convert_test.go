package config

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// today is the day all tests of this package are run on.
var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// converted converts a text as the file NAME of dir, and keeps its secrets for the
// way back.
func converted(t *testing.T, dir, name, text string, secrets map[string]secret.Bytes) string {
	t.Helper()
	p := readingSecrets(hermetic(t, dir, name), secrets)
	c, err := p.convert(text, ConvertOptions{HCL: strings.HasSuffix(name, ".conf"), SecretDir: "/secrets", LegacyUntil: today.AddDate(1, 0, 0)})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, render(p.diags), text)
	}
	maps.Copy(secrets, c.Secrets)
	return c.Text
}

func readingSecrets(p *parser, secrets map[string]secret.Bytes) *parser {
	read := p.readFile
	p.readFile = func(name string) ([]byte, error) {
		if s, ok := secrets[name]; ok {
			return s.Reveal(), nil
		}
		return read(name)
	}
	return p
}

func model(t *testing.T, dir, name, text string) *policy.Config {
	t.Helper()
	p := hermetic(t, dir, name)
	p.main(text)
	if unusable(p.diags) {
		t.Fatalf("%s\nof\n%s", render(p.diags), text)
	}
	return p.cfg
}

// sameModel compares what two files say, wherever they say it. A reference to a
// secret equals the secret.
func sameModel(secrets map[string]secret.Bytes) cmp.Options {
	resolve := func(s policy.Secret) string {
		if s.Ref != "" {
			return strings.TrimSuffix(string(secrets[strings.TrimPrefix(s.Ref, "file:")].Reveal()), "\n")
		}
		return string(s.Literal.Reveal())
	}
	return cmp.Options{
		cmp.FilterValues(func(a, b policy.Position) bool { return true }, cmp.Ignore()),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".File" }, cmp.Ignore()),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b policy.Secret) bool { return resolve(a) == resolve(b) }),
	}
}

// TestCorpusGoesToHCLAndBack: every good file means the same after a conversion to
// HCL and back, and what was converted once is stable.
func TestCorpusGoesToHCLAndBack(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	const dir = "testdata/good"
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			secrets := map[string]secret.Bytes{}
			asHCL := converted(t, dir, "x.conf", string(text), secrets)
			back := converted(t, dir, "x.hcl", asHCL, secrets)
			want := model(t, dir, "x.conf", string(text))
			if d := cmp.Diff(want, model(t, dir, "x.conf", back), sameModel(secrets)); d != "" {
				t.Errorf("classic -> HCL -> classic (-want +got):\n%s\n%s\n%s", d, asHCL, back)
			}
			if d := cmp.Diff(want, model(t, dir, "x.hcl", asHCL), sameModel(secrets)); d != "" {
				t.Errorf("HCL (-want +got):\n%s\n%s", d, asHCL)
			}
		})
	}
}

package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// today is the day all tests of this package are run on.
var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// converted converts a text of a directory that has the files it includes, and
// writes its secrets there.
func converted(t *testing.T, name, text string, hcl bool) string {
	t.Helper()
	p := newParser(name)
	p.today = today
	c, err := p.convert(text, ConvertOptions{HCL: hcl, SecretDir: t.TempDir(), LegacyUntil: today.AddDate(1, 0, 0)})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, render(p.diags), text)
	}
	for file, s := range c.Secrets {
		if err := os.WriteFile(file, s.Reveal(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c.Text
}

func model(t *testing.T, name, text string) *policy.Config {
	t.Helper()
	p := newParser(name)
	p.today = today
	p.main(text)
	for _, d := range p.diags {
		if d.Severity == Error && !d.pending() {
			t.Fatalf("%s\nof\n%s", d.Text(), text)
		}
	}
	return p.cfg
}

// sameModel compares what two files say, wherever they say it.
var sameModel = cmp.Options{
	cmp.FilterValues(func(a, b policy.Position) bool { return true }, cmp.Ignore()),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".File" }, cmp.Ignore()),
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.Comparer(func(a, b policy.Secret) bool {
		return a.Ref == b.Ref && string(a.Literal.Reveal()) == string(b.Literal.Reveal())
	}),
}

// TestCorpusGoesToHCLAndBack: every good file means the same after a conversion to
// HCL and back, and what was converted once is stable.
func TestCorpusGoesToHCLAndBack(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			asHCL := converted(t, filepath.Join(dir, "x.conf"), string(text), true)
			back := converted(t, filepath.Join(dir, "x.hcl"), asHCL, false)
			want := model(t, filepath.Join(dir, "x.conf"), string(text))
			if d := cmp.Diff(want, model(t, filepath.Join(dir, "x.conf"), back), sameModel); d != "" {
				t.Errorf("classic -> HCL -> classic (-want +got):\n%s\n%s\n%s", d, asHCL, back)
			}
			hclModel := model(t, filepath.Join(dir, "x.hcl"), asHCL)
			if d := cmp.Diff(want, hclModel, sameModel, cmp.Comparer(func(a, b policy.Secret) bool { return true })); d != "" && !strings.Contains(asHCL, "secret") {
				t.Errorf("HCL (-want +got):\n%s\n%s", d, asHCL)
			}
			if again := converted(t, filepath.Join(dir, "x.hcl"), asHCL, true); again != asHCL && !strings.Contains(asHCL, "allow_legacy") {
				t.Errorf("HCL -> HCL (-want +got):\n%s", cmp.Diff(asHCL, again))
			}
		})
	}
}

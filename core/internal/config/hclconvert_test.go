package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// referenced are secrets for the references of the corpus.
func referenced() map[string]secret.Bytes {
	secrets := map[string]secret.Bytes{}
	for _, name := range []string{"radius", "ldap", "one"} {
		secrets[etc+name+".secret"] = secret.New([]byte("key of " + name))
	}
	return secrets
}

// TestHCLCorpusGoesToClassicAndBack: every good HCL file means the same as a classic
// file, but for what only HCL can say, and again after the way back.
func TestHCLCorpusGoesToClassicAndBack(t *testing.T) {
	for _, f := range hclFiles(t, "good") {
		t.Run(filepath.Base(f), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			for _, ref := range []string{"env:RADIUS_SECRET", "handle:radius"} { // not to be had for a classic file
				text = strings.ReplaceAll(text, ref, "file:radius.secret")
			}
			text = strings.ReplaceAll(text, `\"`, "'")
			dir, secrets := filepath.Dir(f), referenced()
			want := model(t, dir, "x.hcl", text)
			classic := converted(t, dir, "x.hcl", text, secrets)
			if d := cmp.Diff(want, model(t, dir, "x.conf", classic), sameModel(secrets)); d != "" {
				t.Errorf("HCL -> classic (-want +got):\n%s\n%s", d, classic)
			}
			back := converted(t, dir, "x.conf", classic, secrets)
			if d := cmp.Diff(want, model(t, dir, "x.hcl", back), sameModel(secrets)); d != "" {
				t.Errorf("HCL -> classic -> HCL (-want +got):\n%s\n%s", d, back)
			}
		})
	}
}

// TestPluginsOfHCLGoToTheirOwnFile: what an HCL file says of plugins, plugins.hcl
// beside the classic file says as well.
func TestPluginsOfHCLGoToTheirOwnFile(t *testing.T) {
	for _, f := range hclFiles(t, "good") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		p := readingSecrets(hermetic(t, filepath.Dir(f), "racoon.hcl"), referenced())
		c, _ := p.convert(string(text), ConvertOptions{})
		if c == nil { // references that are no files
			continue
		}
		want := explicit(p.plugins())
		q := hermetic(t, filepath.Dir(f), "racoon.conf")
		read := q.readFile
		q.readFile = func(name string) ([]byte, error) {
			if name == etc+"plugins.hcl" && c.Plugins != "" {
				return []byte(c.Plugins), nil
			}
			if name == etc+"plugins.hcl" {
				return nil, os.ErrNotExist
			}
			return read(name)
		}
		q.main(c.Text)
		got := explicit(q.plugins())
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(PluginSpec{}), cmpopts.IgnoreFields(PluginSpec{}, "Where")); d != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", f, d, c.Plugins)
		}
		for i := range min(len(want), len(got)) {
			a, _ := want[i].body.JustAttributes()
			b, _ := got[i].body.JustAttributes()
			for name := range a {
				x, _ := a[name].Expr.Value(want[i].ctx)
				y, diags := b[name].Expr.Value(got[i].ctx)
				if diags.HasErrors() || !x.RawEquals(y) {
					t.Errorf("%s: %s: %s is %#v, not %#v: %v", f, want[i].Name, name, y, x, diags)
				}
			}
		}
	}
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// TestWhatIsShownIsTheWholeModel: the text of a model, in either language, reads
// back as an equal model. Only secrets are not in it.
func TestWhatIsShownIsTheWholeModel(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			want, _ := parseFile(t, f)
			for name, text := range map[string]string{"x.conf": Show(want), "x.hcl": "allow_legacy = \"2027-01-01\"\n" + ShowHCL(want)} {
				if showsCanary(text) {
					t.Errorf("a secret is shown:\n%s", text)
				}
				got := model(t, "testdata/good", name, text)
				if d := cmp.Diff(want, got, sameModel(nil), cmp.FilterValues(func(a, b policy.Secret) bool { return true }, cmp.Ignore())); d != "" {
					t.Errorf("%s (-want +got):\n%s\n%s", name, d, text)
				}
			}
		})
	}
}

// TestDescribeIsOneLine, for the log.
func TestDescribeIsOneLine(t *testing.T) {
	text, err := os.ReadFile("testdata/good/tunnel.conf")
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := parse("/etc/racoon/racoon.conf", string(text))
	const want = `remote 192.0.2.2 [500] { exchange_mode main; my_identifier fqdn "gw-a.example"; peers_identifier fqdn "gw-b.example"; verify_identifier on; `
	if got := Describe(cfg.Remotes[0]); len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("got %s", got)
	}
}

// TestWhatStringsAndSocketsBecome: a classic string has no escapes, one of HCL may hold a
// double quote, and a socket may have a mode and no owner.
func TestWhatStringsAndSocketsBecome(t *testing.T) {
	classic := `listen { adminsock "/run/x.sock" "" "" 660; } radiuscfg { auth "a\b" "hunter2"; }
remote "a\b" { exchange_mode main; script "C:\x" phase1_up; ` + proposalText + ` }`
	ignore := cmp.FilterValues(func(a, b policy.Secret) bool { return true }, cmp.Ignore())
	want := model(t, t.TempDir(), "x.conf", classic)
	for name, text := range map[string]string{"x.conf": Show(want), "x.hcl": ShowHCL(want)} {
		if d := cmp.Diff(want, model(t, t.TempDir(), name, text), sameModel(nil), ignore); d != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", name, d, text)
		}
	}
	want = model(t, t.TempDir(), "x.hcl", "remote \"a\\\"b\" {\n my_identifier = { keyid = \"c\\\"d\\\\\" }"+hclSection("sha256")[len(`remote "anonymous" {`):])
	if d := cmp.Diff(want, model(t, t.TempDir(), "x.hcl", ShowHCL(want)), sameModel(nil)); d != "" {
		t.Errorf("a double quote (-want +got):\n%s\n%s", d, ShowHCL(want))
	}
	if got := Show(want); !strings.Contains(got, `my_identifier keyid tag "c"d\";`) {
		t.Errorf("a double quote:\n%s", got)
	}
}

package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestTheHouse(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	breaches, err := Check(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range breaches {
		t.Error(b)
	}
}

func TestEveryRuleCanFail(t *testing.T) {
	const mod = module + "/"
	readme := "# x\n## Name\n## Description\n## Configuration\n## Metrics\n## Examples\n"
	tests := []struct {
		rule  string
		name  string
		files map[string]string
		want  []string // the breaches' places; "" for the good neighbour
	}{
		{"known package", "a package nobody has thought about", map[string]string{"core/internal/new/x.go": "package new"}, []string{"core/internal/new/x.go"}},

		{"downwards", "isakmp imports ike", map[string]string{"core/internal/isakmp/x.go": "package x\nimport \"" + mod + "core/internal/ike\""}, []string{"core/internal/isakmp/x.go:2"}},
		{"downwards", "a plugin imports the engine", map[string]string{"plugins/a/main.go": "package x\nimport \"" + mod + "core/internal/engine\"", "plugins/a/README.md": readme}, []string{"plugins/a/main.go:2"}},
		{"downwards", "a plugin imports another", map[string]string{"plugins/a/main.go": "package x\nimport \"" + mod + "plugins/b/b\"", "plugins/a/README.md": readme}, []string{"plugins/a/main.go:2"}},
		{"downwards", "a plugin imports itself and the SDK", map[string]string{"plugins/a/main.go": "package x\nimport (\n\"" + mod + "plugins/a/a\"\n\"" + mod + "core/sdk/auth\"\n)", "plugins/a/README.md": readme}, nil},
		{"downwards", "a plugin is built with the test kit", map[string]string{"plugins/a/main.go": "package x\nimport \"" + mod + "core/sdk/plugintest\"", "plugins/a/README.md": readme}, []string{"plugins/a/main.go:2"}},
		{"downwards", "the SDK imports the engine", map[string]string{"core/sdk/auth/x.go": "package x\nimport \"" + mod + "core/internal/engine\""}, []string{"core/sdk/auth/x.go:2"}},
		{"downwards", "control imports the engine", map[string]string{"core/internal/control/x.go": "package x\nimport \"" + mod + "core/internal/engine\""}, []string{"core/internal/control/x.go:2"}},
		{"downwards", "a command enters the house by a window", map[string]string{"cmd/racoon/main.go": "package x\nimport \"" + mod + "core/internal/engine\""}, []string{"cmd/racoon/main.go:2"}},
		{"downwards", "the lab imports the daemon", map[string]string{"lab/x.go": "package x\nimport \"" + mod + "core\""}, []string{"lab/x.go:2"}},

		{"pure imports", "the network", pureFile(`import "net"`), pureAt(2)},
		{"pure imports", "files", pureFile(`import "os"`), pureAt(2)},
		{"pure imports", "randomness", pureFile(`import "crypto/rand"`), pureAt(2)},
		{"pure imports", "math/big", pureFile(`import "math/big"`), pureAt(2)},
		{"pure imports", "context", pureFile(`import "context"`), pureAt(2)},
		{"pure imports", "addresses are values", pureFile(`import "net/netip"`), nil},

		{"pure time", "a clock", pureFile(`import "time"; var t = time.Now()`), pureAt(2)},
		{"pure time", "a clock under another name", pureFile("import clock \"time\"\nfunc f() { clock.Sleep(1) }"), pureAt(3)},
		{"pure time", "a timer as a type", pureFile(`import "time"; type t struct{ x *time.Timer }`), pureAt(2)},
		{"pure time", "a duration is a value", pureFile(`import "time"; const d = 3 * time.Second`), nil},
		{"pure time", "a variable that hides the package", pureFile(`import "time"; var _ time.Time; func f(time struct{ Now int }) int { return time.Now }`), nil},

		{"pure logging", "a logger", pureFile(`import "log/slog"; func f() { slog.Info("x") }`), pureAt(2)},
		{"pure logging", "a value", pureFile(`import "log/slog"; func f() slog.Value { return slog.StringValue("x") }`), nil},

		{"concurrency", "go", pureFile("func f() { go f() }"), pureAt(2)},
		{"concurrency", "chan", pureFile("type t chan int"), pureAt(2)},
		{"concurrency", "select", pureFile("func f() { select {} }"), pureAt(2)},
		{"concurrency", "a lock in a plain package", map[string]string{"core/internal/config/x.go": "package x\nimport \"sync\""}, []string{"core/internal/config/x.go:2"}},
		{"concurrency", "an atomic", map[string]string{"core/internal/config/x.go": "package x\nimport \"sync/atomic\""}, []string{"core/internal/config/x.go:2"}},
		{"concurrency", "the shell may", map[string]string{"core/internal/engine/x.go": "package x\nimport \"sync\"\nfunc f(c chan int, l *sync.Mutex) { go f(c, l); <-c }"}, nil},

		{"confined module", "go-plugin in the engine", map[string]string{"core/internal/engine/x.go": "package x\nimport \"github.com/hashicorp/go-plugin\""}, []string{"core/internal/engine/x.go:2"}},
		{"confined module", "HCL in a plugin", map[string]string{"plugins/a/main.go": "package x\nimport \"github.com/hashicorp/hcl/v2\"", "plugins/a/README.md": readme}, []string{"plugins/a/main.go:2"}},
		{"confined module", "a new module", map[string]string{"core/internal/engine/x.go": "package x\nimport \"example.org/new\""}, []string{"core/internal/engine/x.go:2"}},
		{"confined module", "a test library", map[string]string{"core/internal/engine/x.go": "package x\nimport \"github.com/google/go-cmp/cmp\""}, []string{"core/internal/engine/x.go:2"}},
		{"confined module", "cgo", map[string]string{"core/internal/engine/x.go": "package x\nimport \"C\""}, []string{"core/internal/engine/x.go:2"}},
		{"confined module", "netlink at home", map[string]string{"plugins/kernel-xfrm/main.go": "package x", "plugins/kernel-xfrm/README.md": readme, "plugins/kernel-xfrm/xfrm/x.go": "package x\nimport \"github.com/mdlayher/netlink\""}, nil},

		{"no registration", "init", shellFile("func init() {}"), shellAt(2)},
		{"no registration", "an import for its side effect", shellFile(`import _ "net/http/pprof"`), shellAt(2)},
		{"no registration", "a dot import", shellFile(`import . "fmt"`), shellAt(2)},
		{"no registration", "a method called init", shellFile("type t int\nfunc (t) init() {}"), nil},

		{"no mutable state", "assigned", shellFile("var n int\nfunc f() { n = 1 }"), shellAt(3)},
		{"no mutable state", "counted", shellFile("var n int\nfunc f() { n++ }"), shellAt(3)},
		{"no mutable state", "a map's element", shellFile("var m = map[int]int{}\nfunc f() { m[1] = 2 }"), shellAt(3)},
		{"no mutable state", "deleted from", shellFile("var m = map[int]int{}\nfunc f() { delete(m, 1) }"), shellAt(3)},
		{"no mutable state", "a field of an element", shellFile("var s = []struct{ n int }{{1}}\nfunc f() { s[0].n += 2 }"), shellAt(3)},
		{"no mutable state", "from another file", map[string]string{"core/internal/engine/a.go": "package x\nvar n int", "core/internal/engine/b.go": "package x\nfunc f() { n = 1 }"}, []string{"core/internal/engine/b.go:2"}},
		{"no mutable state", "another package's", shellFile("import \"os\"\nfunc f() { os.Args = nil }"), shellAt(3)},
		{"no mutable state", "handed out", shellFile("var n int\nfunc f() *int { return &n }"), shellAt(3)},
		{"no mutable state", "by range", shellFile("var n int\nfunc f() { for n = range 3 {} }"), shellAt(3)},
		{"no mutable state", "a lock", shellFile("import \"sync\"\nvar mu sync.Mutex"), shellAt(3)},
		{"no mutable state", "an atomic", shellFile("import \"sync/atomic\"\nvar p atomic.Pointer[int]"), shellAt(3)},
		{"no mutable state", "a channel", shellFile("var c = make(chan int)"), shellAt(2)},
		{"no mutable state", "a table, and locals of its name", shellFile("var n = []int{1}\nfunc f(m []int) { n := m; n[0] = 2; for i, n := range m { _, _ = i, n } }"), nil},
		{"no mutable state", "a parameter of its name in another file", map[string]string{"core/internal/engine/a.go": "package x\nvar n int", "core/internal/engine/b.go": "package x\nfunc f(n int) { n = 1 }"}, nil},

		{"file length", "501 lines", shellFile(strings.Repeat("\n", 500)), []string{"core/internal/engine/x.go"}},
		{"file length", "500 lines", shellFile(strings.Repeat("\n", 499)), nil},
		{"small main", "code in a command", map[string]string{"cmd/racoon/main.go": "package main" + strings.Repeat("\n", 21)}, []string{"cmd/racoon/main.go"}},
		{"small main", "code in a plugin's main", map[string]string{"plugins/a/main.go": "package main" + strings.Repeat("\n", 41), "plugins/a/README.md": readme}, []string{"plugins/a/main.go"}},
		{"small main", "code in a plugin's library", map[string]string{"plugins/a/main.go": "package main", "plugins/a/a/a.go": "package a" + strings.Repeat("\n", 41), "plugins/a/README.md": readme}, nil},

		{"plugin directory", "without README", map[string]string{"plugins/a/main.go": "package main"}, []string{"plugins/a"}},
		{"plugin directory", "without main", map[string]string{"plugins/a/a/a.go": "package a", "plugins/a/README.md": readme}, []string{"plugins/a"}},
		{"plugin directory", "without a section", map[string]string{"plugins/a/main.go": "package main", "plugins/a/README.md": strings.Replace(readme, "## Metrics\n", "", 1)}, []string{"plugins/a/README.md"}},
		{"plugin directory", "with its sections in another order", map[string]string{"plugins/a/main.go": "package main", "plugins/a/README.md": "## Description\n" + readme}, []string{"plugins/a/README.md"}},
	}
	failed := make(map[string]bool)
	for _, tt := range tests {
		failed[tt.rule] = failed[tt.rule] || tt.want != nil
		t.Run(tt.rule+": "+tt.name, func(t *testing.T) {
			tree := fstest.MapFS{}
			for name, text := range tt.files {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
			breaches, err := Check(tree)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range breaches {
				if b.Rule == tt.rule {
					got = append(got, b.Where)
				} else if tt.want == nil {
					t.Errorf("breaks another rule: %s", b)
				}
				if b.What == "" || b.Sentence == "" {
					t.Errorf("%s says nothing", b)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("places (-want +got):\n%s", d)
			}
		})
	}
	for _, r := range rules {
		if !failed[r.name] {
			t.Errorf("rule %q has no snippet that breaks it", r.name)
		}
	}
}

func pureFile(text string) map[string]string {
	return map[string]string{"core/internal/ike/x.go": "package x\n" + text}
}

func pureAt(line int) []string { return []string{at("core/internal/ike/x.go", line)} }

func shellFile(text string) map[string]string {
	return map[string]string{"core/internal/engine/x.go": "package x\n" + text}
}

func shellAt(line int) []string { return []string{at("core/internal/engine/x.go", line)} }

func at(name string, line int) string { return name + ":" + string(rune('0'+line)) }

func TestTestsGeneratedCodeAndTestdataAreNotLookedAt(t *testing.T) {
	bad := "package x\nfunc init() {}"
	tree := fstest.MapFS{
		"core/internal/ike/x_test.go":     {Data: []byte(bad)},
		"core/internal/ike/x.pb.go":       {Data: []byte("// Code generated by x. DO NOT EDIT.\n" + bad)},
		"core/internal/ike/testdata/x.go": {Data: []byte("not Go")},
		".git/x.go":                       {Data: []byte("not Go")},
		"build/x.go":                      {Data: []byte("not Go")},
	}
	if breaches, err := Check(tree); len(breaches) > 0 || err != nil {
		t.Errorf("%v %v", breaches, err)
	}
}

func TestAFileThatDoesNotParseIsAnError(t *testing.T) {
	if _, err := Check(fstest.MapFS{"core/x.go": {Data: []byte("package")}}); err == nil {
		t.Error("no error")
	}
}

func TestEveryModuleHasAReasonAndAPlace(t *testing.T) {
	for _, m := range modules {
		if m.why == "" {
			t.Errorf("module %s has no reason", m.path)
		}
		for _, d := range m.dirs {
			if _, ok := layerOf(strings.TrimSuffix(d, "/...")); !ok && !strings.HasSuffix(d, "/...") {
				t.Errorf("module %s is for %s, which is in no layer", m.path, d)
			}
		}
	}
}

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	sdk "github.com/racoon-ike/racoon/core/sdk/config"
)

// loadText loads a classic text with a plugins.hcl beside it.
func loadText(classic, plugins string) ([]PluginSpec, []Diagnostic) {
	p := newParser("/etc/racoon/racoon.conf")
	p.readFile = func(name string) ([]byte, error) {
		if name == "/etc/racoon/plugins.hcl" && plugins != "" {
			return []byte(plugins), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	p.main(classic)
	return p.plugins(), p.diags
}

// TestPluginsOfAConfiguration: what runs by default, and what plugins.hcl changes.
func TestPluginsOfAConfiguration(t *testing.T) {
	psk := `path pre_shared_key "psk.txt"; ` + minimal("192.0.2.1")
	kernel := "kernel/" + DefaultKernel()
	for _, c := range []struct {
		name, classic, hcl string
		want               []string
		complaint          string
	}{
		{"nothing said", "log info;", "", []string{kernel, "log/syslog"}, ""},
		{"keys named", psk, "", []string{kernel, "auth/psk", "log/syslog"}, ""},
		{"keys needed and not named", minimal("192.0.2.1"), "", []string{kernel, "log/syslog"}, "nothing says where the keys are"},
		{"another kernel in one line", "log info;", `kernel = "pfkey"`, []string{"kernel/pfkey", "log/syslog"}, ""},
		{"a kernel of a vendor", "log info;", `plugin "kernel" "acme" { path = "acme-kernel" }`, []string{"kernel/acme", "log/syslog"}, ""},
		{"the choice and the block agree", "log info;", "kernel = \"xfrm\"\nplugin \"kernel\" \"xfrm\" {}", []string{"kernel/xfrm", "log/syslog"}, ""},
		{"the choice and the block differ", "log info;", "kernel = \"pfkey\"\nplugin \"kernel\" \"xfrm\" {}", []string{"kernel/pfkey", "log/syslog"}, `kernel = "pfkey" chosen in line 1`},
		{"another auth plugin beside psk", psk, `plugin "auth" "vault" {}`, []string{"auth/vault", kernel, "auth/psk", "log/syslog"}, ""},
		{"another auth plugin instead of the file", minimal("192.0.2.1"), `plugin "auth" "vault" {}`, []string{"auth/vault", kernel, "log/syslog"}, ""},
		{"two kernels", "log info;", "plugin \"kernel\" \"xfrm\" {}\nplugin \"kernel\" \"pfkey\" {}", []string{"kernel/xfrm", "log/syslog"}, "one too many: line 1 has kernel/xfrm"},
		{"the same one twice", psk, "plugin \"auth\" \"psk\" {}\nplugin \"auth\" \"psk\" {}", []string{"auth/psk", kernel, "log/syslog"}, "one too many"},
		{"an unknown kind", "log info;", `plugin "kernle" "xfrm" {}`, []string{kernel, "log/syslog"}, "no kind of plugin"},
		{"an unknown attribute", "log info;", `plugin "log" "syslog" { pathh = "x" }`, []string{kernel, "log/syslog"}, `did you mean "path"?`},
		{"a value of the wrong type", "log info;", `plugin "log" "syslog" { critical = "perhaps" }`, []string{kernel, "log/syslog"}, "true or false is"},
		{"a variable that is not there", "log info;", `kernel = var.kernel`, []string{kernel, "log/syslog"}, "is no variable"},
		{"two config blocks", "log info;", "plugin \"log\" \"syslog\" {\n config {}\n config {}\n}", []string{kernel, "log/syslog"}, "second config block"},
		{"no HCL at all", "log info;", "plugin {", []string{kernel, "log/syslog"}, "/etc/racoon/plugins.hcl:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs, diags := loadText(c.classic, c.hcl)
			var got []string
			for _, s := range specs {
				got = append(got, s.Kind+"/"+s.Name)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("plugins (-want +got):\n%s", d)
			}
			if text := render(diags); (c.complaint == "") != (text == "") || !strings.Contains(text, c.complaint) {
				t.Errorf("want %q in:\n%s", c.complaint, text)
			}
		})
	}
}

// TestPluginBlockAttributes reach the specification.
func TestPluginBlockAttributes(t *testing.T) {
	specs, diags := loadText("log info;", `plugin "kernel" "acme" {
  path     = "bin/acme"
  sha256   = "ab12"
  critical = true
}`)
	if len(diags) > 0 {
		t.Fatal(render(diags))
	}
	s := specs[0]
	if got := fmt.Sprint(s.Path, s.SHA256, s.Critical, s.Where); got != "/etc/racoon/bin/acmeab12true {/etc/racoon/plugins.hcl 1}" {
		t.Error(got)
	}
}

func testSchema() *sdk.Schema {
	return &sdk.Schema{Body: sdk.Body{
		Attrs: []sdk.Attr{
			{Name: "file", Type: "string", Kind: sdk.FilePath},
			{Name: "timeout", Type: "string", Kind: sdk.Duration, Default: `"30s"`},
			{Name: "pin", Type: "string", Kind: sdk.Secret},
		},
		Blocks: []sdk.Block{
			{Name: "server", Nesting: sdk.List, Max: 2, Body: sdk.Body{Attrs: []sdk.Attr{{Name: "addr", Type: "string", Required: true}}}},
			{Name: "key", Nesting: sdk.Map, Labels: []string{"id"}, Body: sdk.Body{Attrs: []sdk.Attr{{Name: "name", Type: "string"}}}},
		},
	}}
}

// TestDecodeWithTheSchema: what a plugin gets for its config block, and how what is
// wrong with it is told.
func TestDecodeWithTheSchema(t *testing.T) {
	for _, c := range []struct{ name, config, want, complaint string }{
		{"defaults are filled in", ``, `{"key":{},"server":[],"timeout":"30s"}`, ""},
		{"paths are relative to plugins.hcl", `file = "psk.txt"`, `{"file":"/etc/racoon/psk.txt","key":{},"server":[],"timeout":"30s"}`, ""},
		{"an unknown name", `timout = "5s"`, "", `plugins.hcl:3: "timout" is no setting here`},
		{"a missing one", `server {}`, "", "plugins.hcl:3: a setting is missing"},
		{"a literal secret", `pin = "hunter2"`, "", "plugins.hcl"},
		{"a secret of the wrong type", `pin = ["hunter2"]`, "", "plugins.hcl:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs, diags := loadText("log info;", "plugin \"auth\" \"x\" {\n config {\n"+c.config+"\n }\n}")
			if Failed(diags) {
				t.Fatal(render(diags))
			}
			got, err := specs[0].Decode(testSchema())
			var invalid *Invalid
			switch {
			case c.complaint == "" && err != nil:
				t.Fatal(err)
			case c.complaint == "":
				if string(got) != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			case !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.complaint):
				t.Errorf("want %q in %v", c.complaint, err)
			case strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

// TestClassicKeysReachAuthPSK: the classic file alone configures auth/psk.
func TestClassicKeysReachAuthPSK(t *testing.T) {
	specs, diags := loadText("path pre_shared_key \"/etc/${x}/psk.txt\";\n"+minimal("192.0.2.1"), "")
	if Failed(diags) {
		t.Fatal(render(diags))
	}
	got, err := specs[1].Decode(&sdk.Schema{Body: sdk.Body{Attrs: []sdk.Attr{{Name: "file", Type: "string", Kind: sdk.FilePath, Required: true}}}})
	if err != nil || string(got) != `{"file":"/etc/${x}/psk.txt"}` {
		t.Errorf("%s %v", got, err)
	}
	if _, err := specs[1].Decode(nil); err == nil {
		t.Error("a plugin without a schema took a configuration")
	}
}

// TestComplaintsOfAPluginGetTheirPlace in the file.
func TestComplaintsOfAPluginGetTheirPlace(t *testing.T) {
	specs, diags := loadText("log info;", `plugin "auth" "x" {
  config {
    file = "psk.txt"
    server { addr = "x" }
    server { addr = "y" }
    key "one" { name = "n" }
    key "two" {
      name = "m"
    }
  }
}`)
	if Failed(diags) {
		t.Fatal(render(diags))
	}
	for _, c := range []struct {
		path []string
		line int
	}{
		{[]string{"file"}, 3}, {[]string{"server", "1", "addr"}, 5}, {[]string{"server", "0"}, 4},
		{[]string{"key", "two", "name"}, 8}, {[]string{"key", "one"}, 6},
	} {
		got := specs[0].Explain(testSchema(), sdk.Diagnostics{{Summary: "no such key", Path: c.path, Code: "PSK003", Fix: "make one"}})
		want := Diagnostic{Code: "PSK003", File: "/etc/racoon/plugins.hcl", Line: c.line, What: "plugin auth/x: no such key", Fix: "make one"}
		if d := cmp.Diff([]Diagnostic{want}, got, cmpopts.IgnoreFields(Diagnostic{}, "Col", "Token", "Snippet")); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.path, d)
		}
	}
}

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/racoon-ike/racoon/core/internal/policy"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/secret"
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
	kernel := "kernel/" + defaultKernel()
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
		{"a buffer for pfkey", "pfkey_buffer 512;", `kernel = "pfkey"`, []string{"kernel/pfkey", "log/syslog"}, ""},
		{"a buffer for another", "pfkey_buffer 512;", `kernel = "xfrm"`, []string{"kernel/xfrm", "log/syslog"}, "pfkey_buffer is for kernel/pfkey, and the kernel is reached by kernel/xfrm"},
		{"a buffer and a block", "pfkey_buffer 512;", `plugin "kernel" "pfkey" {}`, []string{"kernel/pfkey", "log/syslog"}, "belongs in its config"},
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

// TestPFKEYBufferReachesThePlugin, however large it is in the file.
func TestPFKEYBufferReachesThePlugin(t *testing.T) {
	schema := &sdk.Schema{Body: sdk.Body{Attrs: []sdk.Attr{{Name: "pfkey_buffer", Type: "number", Default: "0"}}}}
	for classic, want := range map[string]string{
		"log info;": `{"pfkey_buffer":0}`, "pfkey_buffer 512;": `{"pfkey_buffer":512}`, "pfkey_buffer 4294967295;": `{"pfkey_buffer":1048576}`,
	} {
		specs, diags := loadText(classic, `kernel = "pfkey"`)
		if len(diags) > 0 {
			t.Fatal(render(diags))
		}
		if got, err := specs[0].Decode(schema); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", classic, got, err, want)
		}
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

// TestANoteOfAPluginIsNoWarning: HCL, through which complaints are located, has no
// notes.
func TestANoteOfAPluginIsNoWarning(t *testing.T) {
	specs, _ := loadText("log info;", `plugin "auth" "x" {}`)
	for _, c := range []struct {
		from sdk.Severity
		want Severity
	}{{sdk.Error, Error}, {sdk.Warning, Warning}, {sdk.Note, Note}} {
		if got := specs[0].Explain(testSchema(), sdk.Diagnostics{{Severity: c.from, Summary: "s"}}); got[0].Severity != c.want {
			t.Errorf("got %s, want %s", got[0].Severity, c.want)
		}
	}
}

// TestTheDetailOfAPluginIsSaidOnce: it is in the message, and no fix.
func TestTheDetailOfAPluginIsSaidOnce(t *testing.T) {
	specs, _ := loadText("log info;", `plugin "auth" "x" {}`)
	got := specs[0].Explain(testSchema(), sdk.Diagnostics{{Severity: sdk.Warning, Summary: "no key", Detail: "/x does not exist"}})
	if !strings.HasSuffix(got[0].What, "no key: /x does not exist") || got[0].Fix != "" {
		t.Errorf("%+v", got[0])
	}
}

// pskSchema is auth-psk's.
func pskSchema() *sdk.Schema {
	return &sdk.Schema{Body: sdk.Body{
		Attrs: []sdk.Attr{{Name: "file", Type: "string", Kind: sdk.FilePath}},
		Blocks: []sdk.Block{{Name: "shared_secret", Nesting: sdk.Map, Labels: []string{"remote"}, Body: sdk.Body{Attrs: []sdk.Attr{
			{Name: "key", Type: "string"}, {Name: "use", Type: "string", Kind: sdk.Secret},
		}}}},
	}}
}

// TestSharedSecretsOfTheClassicFile reach auth/psk as blocks of its configuration.
func TestSharedSecretsOfTheClassicFile(t *testing.T) {
	literal := func(s string) map[string]secret.Bytes {
		return map[string]secret.Bytes{"192.0.2.1[500]": secret.New([]byte(s))}
	}
	named := map[string]string{"anonymous": `group "1"`}
	psk := `path pre_shared_key "psk.txt"; log info;`
	const hcl = `plugin "auth" "psk" {
  config {
    file = "keys"
    shared_secret "two" { use = "env:TWO" }
    shared_secret "192.0.2.1[500]" { key = "x" }
  }
}`
	for _, c := range []struct {
		name, classic, hcl string
		literals           map[string]secret.Bytes
		names              map[string]string
		want, complaint    string
	}{
		{name: "none", classic: psk, want: `{"file":"/etc/racoon/psk.txt","shared_secret":{}}`},
		{name: "both kinds", classic: psk, literals: literal("hunter2"), names: named,
			want: `{"file":"/etc/racoon/psk.txt","shared_secret":{"192.0.2.1[500]":{"use":"literal:aHVudGVyMg=="},"anonymous":{"key":"group \"1\""}}}`},
		{name: "nothing else asks for the plugin", classic: "log info;", literals: literal("\x00\xff?>"), want: `{"shared_secret":{"192.0.2.1[500]":{"use":"literal:AP8/Pg=="}}}`},
		{name: "beside those of plugins.hcl", classic: psk, hcl: hcl, names: named,
			want: `{"file":"/etc/racoon/keys","shared_secret":{"192.0.2.1[500]":{"key":"x"},"anonymous":{"key":"group \"1\""},"two":{"use":"env:TWO"}}}`},
		{name: "a section that has one in plugins.hcl", classic: psk, hcl: hcl, literals: literal("hunter2"),
			complaint: `/etc/racoon/plugins.hcl:1: shared_secret of section "192.0.2.1[500]" stands in the plugin's configuration and in the section`},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs, diags := loadText(c.classic, c.hcl)
			if Failed(diags) {
				t.Fatal(render(diags))
			}
			specs = withSecrets(specs, sharedSecrets{Literals: c.literals, KeyNames: c.names}, policy.Position{File: "/etc/racoon/racoon.conf", Line: 7})
			for _, s := range specs {
				if s.Kind != "auth" {
					continue
				}
				got, err := s.Decode(pskSchema())
				if string(got) != c.want || (err == nil) != (c.complaint == "") || err != nil && !strings.Contains(err.Error(), c.complaint) {
					t.Errorf("%v; got\n%s, want\n%s", err, got, c.want)
				}
				again, err := s.Decode(pskSchema())
				if string(again) != string(got) {
					t.Errorf("decoded again: %v", err)
				}
				if text := fmt.Sprintf("%+v %#v %v", s, s, err); strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVy") {
					t.Errorf("the secret is shown: %s", text)
				}
				s.Zero()
				for _, l := range s.Literals {
					if strings.Trim(string(l.Reveal()), "\x00") != "" {
						t.Error("the literal is still there")
					}
				}
				return
			}
			t.Error("no auth plugin")
		})
	}
}

// TestAPluginThatTakesNoSharedSecrets says so instead of running without them.
func TestAPluginThatTakesNoSharedSecrets(t *testing.T) {
	specs, _ := loadText("log info;", "")
	specs = withSecrets(specs, sharedSecrets{KeyNames: map[string]string{"one": "x"}}, policy.Position{File: "/etc/racoon/racoon.conf", Line: 7})
	_, err := specs[len(specs)-1].Decode(&sdk.Schema{})
	if err == nil || !strings.Contains(err.Error(), "/etc/racoon/racoon.conf:7: takes no shared_secret") {
		t.Error(err)
	}
}

// TestALiteralIsRefusedInHCL: only the classic language has it.
func TestALiteralIsRefusedInHCL(t *testing.T) {
	specs, _ := loadText("log info;", `plugin "auth" "psk" {
  config {
    shared_secret "one" { use = "literal:aHVudGVyMg==" }
  }
}`)
	if got, err := specs[0].Decode(pskSchema()); err == nil || strings.Contains(err.Error(), "aHVudGVy") {
		t.Errorf("%s %v", got, err)
	}
}

// TestVariablesAPluginRefersTo, and no others.
func TestVariablesAPluginRefersTo(t *testing.T) {
	specs, diags := loadText("path pre_shared_key \"env:NO\"; log info;", `locals {
  places = { d = ["env:D", null, 1] }
  unused = "env:E"
}
plugin "log" "x" {
  config { pin = "env:OTHER" }
}
plugin "auth" "x" {
  config {
    pin = "env:PIN_1"
    key "d" { name = local.places.d[0] }
    key "a" { name = "env:PIN_1" }
    key "b" { name = "env:B" }
    file = "environment:C"
  }
}`)
	if Failed(diags) {
		t.Fatal(render(diags))
	}
	for _, s := range specs {
		want := map[string][]string{"auth/x": {"B", "D", "PIN_1"}, "log/x": {"OTHER"}}[s.Kind+"/"+s.Name]
		if d := cmp.Diff(want, s.Variables()); d != "" {
			t.Errorf("%s/%s (-want +got):\n%s", s.Kind, s.Name, d)
		}
	}
}

// TestSharedSecretsOfSectionsReachThePlugin and leave the model, in either language.
func TestSharedSecretsOfSectionsReachThePlugin(t *testing.T) {
	const proposal = "proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group ecp256; }"
	for name, c := range map[string]struct{ text, want string }{
		"/etc/racoon/racoon.conf": {`remote 192.0.2.1 { exchange_mode main; shared_secret use "hunter2"; ` + proposal + `}
remote 192.0.2.2 { exchange_mode main; shared_secret key "group"; ` + proposal + `}`,
			`{"shared_secret":{"192.0.2.1[500]":{"use":"literal:aHVudGVyMg=="},"192.0.2.2[500]":{"key":"group"}}}`},
		"/etc/racoon/racoon.hcl": {`remote "192.0.2.1" {
  exchange_mode = "main"
  shared_secret {
    use = "file:hub.secret"
  }
  proposal {
    encryption_algorithm = "aes 256"
    hash_algorithm = "sha256"
    authentication_method = "pre_shared_key"
    dh_group = "ecp256"
  }
}`, `{"shared_secret":{"192.0.2.1[500]":{"use":"file:/etc/racoon/hub.secret"}}}`},
	} {
		p := newParser(name)
		p.readFile = func(string) ([]byte, error) { return nil, fs.ErrNotExist }
		p.main(c.text)
		specs := p.plugins()
		if Failed(p.diags) {
			t.Fatal(render(p.diags))
		}
		i := slices.IndexFunc(specs, func(s PluginSpec) bool { return s.Kind == "auth" })
		if got, err := specs[i].Decode(pskSchema()); err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
		for _, r := range p.cfg.Remotes {
			if r.SharedSecret.Use.Literal.Len() > 0 {
				t.Errorf("%s: the model keeps the secret", name)
			}
		}
	}
}

package schema

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

func number(f float64) *float64 { return &f }

// vault is a schema with everything in it.
var vault = config.Schema{Version: 1, Body: config.Body{
	Attrs: []config.Attr{
		{Name: "address", Type: "string", Required: true},
		{Name: "timeout", Kind: config.Duration, Default: `"5 sec"`},
		{Name: "ca", Kind: config.FilePath},
		{Name: "token", Kind: config.Secret},
		{Name: "retries", Type: "number", Default: "3", Min: number(0), Max: number(10)},
		{Name: "mode", OneOf: []string{"strict", "lax"}},
		{Name: "tags", Type: "list(string)"},
		{Name: "labels", Type: "map(string)"},
		{Name: "old", Type: "bool", Deprecated: `Use "mode".`},
	},
	Blocks: []config.Block{
		{Name: "tls", Nesting: config.Single, Body: config.Body{Attrs: []config.Attr{{Name: "verify", Type: "bool", Default: "true"}}}},
		{Name: "peer", Nesting: config.List, Max: 2, Body: config.Body{Attrs: []config.Attr{{Name: "addr", Required: true}}}},
		{Name: "key", Nesting: config.Map, Labels: []string{"site"}, Max: 2, Body: config.Body{Attrs: []config.Attr{{Name: "name"}}}},
		{Name: "route", Nesting: config.Map, Labels: []string{"table", "to"}, Body: config.Body{Attrs: []config.Attr{{Name: "via"}}}},
	},
}}

func parse(t *testing.T, src string) hcl.Body {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(src), "/etc/racoon/racoon.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f.Body
}

func TestDecodeGivesThePluginItsJSON(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{
			"only what must be there, with defaults filled in", `address = "https://vault"`,
			`{"address":"https://vault","key":{},"peer":[],"retries":3,"route":{},"timeout":"5s"}`,
		},
		{
			"everything", `
address = "https://vault"
timeout = "8 hour"
ca      = "certs/ca.pem"
token   = "file:/run/token"
retries = 10
mode    = "lax"
tags    = ["a", "b"]
labels  = { x = "y" }
tls { verify = false }
peer { addr = "192.0.2.1" }
peer { addr = "192.0.2.2" }
key "site-a" {}
key "site-b" { name = "b" }
route "main" "10.0.0.0/8" { via = "192.0.2.9" }
route "main" "10.1.0.0/16" {}
`,
			`{"address":"https://vault","ca":"/etc/racoon/certs/ca.pem","key":{"site-a":{},"site-b":{"name":"b"}},` +
				`"labels":{"x":"y"},"mode":"lax","peer":[{"addr":"192.0.2.1"},{"addr":"192.0.2.2"}],"retries":10,` +
				`"route":{"main":{"10.0.0.0/8":{"via":"192.0.2.9"},"10.1.0.0/16":{}}},"tags":["a","b"],"timeout":"8h0m0s",` +
				`"tls":{"verify":false},"token":"file:/run/token"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, diags := Decode(vault, parse(t, test.src), nil)
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if !json.Valid(got) {
				t.Error("not JSON")
			}
		})
	}
}

func TestDecodeSaysWhatIsWrongAndWhere(t *testing.T) {
	tests := []struct {
		name, src string
		line      int
		want      string
	}{
		{"a name nobody knows", `address = "x"` + "\n" + `timout = "5s"`, 2, `Unsupported argument; An argument named "timout" is not expected here. Did you mean "timeout"?`},
		{"a required one is missing", ``, 1, `Missing required argument; The argument "address" is required`},
		{"a wrong type", `address = ["x"]`, 1, `Incorrect attribute value type; Inappropriate value for attribute "address": string required`},
		{"a number out of range", `address = "x"` + "\n\nretries = 11", 3, `Number out of range; "retries" is 11; between 0 and 10.`},
		{"an unknown word", `address = "x"` + "\n" + `mode = "loose"`, 2, `Unknown word; "mode" is "loose"; want one of strict, lax.`},
		{"a duration without unit", `address = "x"` + "\n" + `timeout = "8"`, 2, `Invalid duration; "timeout": "8" is not a duration`},
		{"a negative duration", `address = "x"` + "\n" + `timeout = "-1s"`, 2, `Invalid duration; "timeout": "-1s" is negative`},
		{"an unknown unit", `address = "x"` + "\n" + `timeout = "8 moons"`, 2, `Invalid duration; "timeout": "8 moons" has an unknown unit`},
		{"too many blocks of a list", "address = \"x\"\npeer { addr = \"a\" }\npeer { addr = \"b\" }\npeer { addr = \"c\" }", 4, `Too many peer blocks`},
		{"too many labelled blocks", "address = \"x\"\nkey \"a\" {}\nkey \"b\" {}\nkey \"c\" {}", 1, `Wrong number of key blocks; Between 0 and 2 may be given, not 3.`},
		{"the same label twice", "address = \"x\"\nkey \"a\" {}\nkey \"a\" {}", 3, `Duplicate key block`},
		{"deep inside", "address = \"x\"\npeer {}", 2, `Missing required argument; The argument "addr" is required`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, diags := Decode(vault, parse(t, test.src), nil)
			if got != nil || !diags.HasErrors() {
				t.Fatalf("accepted as %s", got)
			}
			for _, d := range diags {
				if text := d.Summary + "; " + d.Detail; d.Subject.Start.Line == test.line && strings.HasPrefix(text, test.want) {
					return
				}
			}
			t.Errorf("got %v\nwant line %d: %s", diags, test.line, test.want)
		})
	}
}

func TestADeprecatedAttributeWarns(t *testing.T) {
	got, diags := Decode(vault, parse(t, "address = \"x\"\nold = true"), nil)
	if got == nil || len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || diags[0].Subject.Start.Line != 2 {
		t.Errorf("got %s, %v", got, diags)
	}
}

func TestASecretIsRefusedAndNotShown(t *testing.T) {
	const src = "address = \"x\"\n\ntoken = \"hunter2\""
	body := parse(t, src)
	_, diags := Decode(vault, body, nil)
	diags = append(diags, Diagnostics(vault, body, config.Errorf([]string{"token"}, "V1", "Bad token", "too short"))...)
	var out bytes.Buffer
	w := hcl.NewDiagnosticTextWriter(&out, map[string]*hcl.File{"/etc/racoon/racoon.hcl": {Bytes: []byte(src)}}, 100, false)
	if err := w.WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") || strings.Count(out.String(), "racoon.hcl:3") != 2 {
		t.Errorf("want line 3 twice, and no secret:\n%s", &out)
	}
}

func TestAPluginsComplaintsGetTheirPlace(t *testing.T) {
	body := parse(t, `address = "x"
tags = [
  "a",
  "b",
]
labels = {
  x = "y"
  "z" = "w"
}
tls {
  verify = true
}
peer { addr = "1" }
peer {
  addr = "2"
}
key "site-b" {
  name = "nope"
}
route "main" "10.0.0.0/8" {
  via = "v"
}
`)
	for path, line := range map[string]int{
		"address": 1, "tags": 2, "tags/1": 4, "tags/7": 2, "labels/x": 7, "labels/z": 8, "labels/none": 6,
		"tls": 10, "tls/verify": 11, "peer/1/addr": 15, "peer/0": 13, "key/site-b/name": 18, "key/site-b": 17,
		"route/main/10.0.0.0/8": 20, "": 1, "nothing": 1,
	} {
		var p []string
		if path != "" {
			p = strings.Split(path, "/")
		}
		if path == "route/main/10.0.0.0/8" {
			p = []string{"route", "main", "10.0.0.0/8"}
		}
		got := Diagnostics(vault, body, config.Diagnostics{{Summary: "s", Detail: "d.", Path: p, Fix: "f", Code: "C"}})
		if got[0].Subject.Start.Line != line || got[0].Detail != "d. Write f instead." || got[0].Extra != Code("C") {
			t.Errorf("%q: got line %d, want %d (%+v)", path, got[0].Subject.Start.Line, line, got[0])
		}
	}
}

func TestABadSchemaIsThePluginsFault(t *testing.T) {
	attr := func(a config.Attr) config.Schema { return config.Schema{Body: config.Body{Attrs: []config.Attr{a}}} }
	block := func(b config.Block) config.Schema { return config.Schema{Body: config.Body{Blocks: []config.Block{b}}} }
	deep := config.Block{Name: "b"}
	for range maxDepth + 1 {
		deep = config.Block{Name: "b", Body: config.Body{Blocks: []config.Block{deep}}}
	}
	for name, s := range map[string]config.Schema{
		"a type nobody knows":          attr(config.Attr{Name: "a", Type: "strnig"}),
		"a type that is no expression": attr(config.Attr{Name: "a", Type: "list("}),
		"a default of another type":    attr(config.Attr{Name: "a", Type: "number", Default: `"x"`}),
		"a default that is no literal": attr(config.Attr{Name: "a", Default: "foo"}),
		"a required default":           attr(config.Attr{Name: "a", Default: `"x"`, Required: true}),
		"a name with a space":          attr(config.Attr{Name: "a b"}),
		"a duration that is a number":  attr(config.Attr{Name: "a", Type: "number", Kind: config.Duration}),
		"a kind from the future":       attr(config.Attr{Name: "a", Kind: 9}),
		"a nesting from the future":    block(config.Block{Name: "a", Nesting: 9}),
		"a map without labels":         block(config.Block{Name: "a", Nesting: config.Map}),
		"more at least than at most":   block(config.Block{Name: "a", Nesting: config.List, Min: 2, Max: 1}),
		"too deep":                     block(deep),
		"the same name twice":          {Body: config.Body{Attrs: []config.Attr{{Name: "a"}, {Name: "a"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compile(s); err == nil {
				t.Error("accepted")
			}
			if _, diags := Decode(s, parse(t, ""), nil); len(diags) != 1 || diags[0].Summary != "Unusable plugin schema" {
				t.Errorf("got %v", diags)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`address = "x"`, `address = "x"` + "\n" + `timeout = "8 hour"`, "address = \"x\"\nkey \"a\" { name = \"n\" }\npeer { addr = \"b\" }",
		`token = "env:X"`, `labels = { a = null }`, `tags = [null, "a"]`, `retries = "3"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		file, diags := hclsyntax.ParseConfig([]byte(src), "/f.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		got, diags := Decode(vault, file.Body, nil)
		if (got == nil) != diags.HasErrors() {
			t.Errorf("%s with %v", got, diags)
		}
		if got != nil && !json.Valid(got) {
			t.Errorf("not JSON: %s", got)
		}
		Diagnostics(vault, file.Body, config.Errorf([]string{"key", "a", "name"}, "", "s", "d"))
	})
}

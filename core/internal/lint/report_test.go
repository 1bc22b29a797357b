package lint

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/lint.md")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func weak(t *testing.T) *Report {
	t.Helper()
	file := filepath.Join("testdata", "weak.conf")
	loaded, diags, err := config.Load(file)
	if err != nil {
		t.Fatal(err, diags)
	}
	diags = append(diags, Check(loaded.Policy, Packs()...)...)
	Sort(diags)
	return &Report{Tool: "1.2.3", File: file, Policies: []string{"bsi", "nist", "modern"}, Findings: diags}
}

// TestFormats: the three forms of one report, byte for byte.
func TestFormats(t *testing.T) {
	for _, format := range Formats() {
		var b bytes.Buffer
		if err := weak(t).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "weak."+format), b.String())
	}
	if err := weak(t).Write(&bytes.Buffer{}, "xml"); err == nil {
		t.Error("xml is no format")
	}
}

// TestAnEmptyReportHasEmptyLists, not null: programs read it.
func TestAnEmptyReportHasEmptyLists(t *testing.T) {
	for _, format := range []string{"json", "sarif"} {
		var b bytes.Buffer
		if err := (&Report{File: "r.conf"}).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "null") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

// TestNoFormatShowsASecret, not even where the parser gave up beside it.
func TestNoFormatShowsASecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.conf")
	text := "remote 192.0.2.2 { shared_secret use \"hunter2\" more; }\nldapcfg { bind_pw hunter2; }\nremote 192.0.2.3 { psk \"hunter2\"; }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, diags, err := config.Load(file)
	if err == nil {
		t.Fatal("no error")
	}
	for _, format := range Formats() {
		var b bytes.Buffer
		if err := (&Report{File: file, Findings: diags}).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "hunter2") {
			t.Errorf("%s:\n%s", format, b.String())
		}
	}
}

// sarifObjects are the objects of SARIF 2.1.0 that we write: what the standard
// requires, and what else it knows of them that we use. It allows nothing unknown.
var sarifObjects = map[string]struct{ required, known string }{
	"log":              {"version runs", "$schema"},
	"run":              {"tool", "invocations columnKind results"},
	"tool":             {"driver", ""},
	"driver":           {"name", "version rules"},
	"rule":             {"id", "shortDescription fullDescription help properties"},
	"text":             {"text", "markdown"},
	"invocation":       {"executionSuccessful", ""},
	"result":           {"message", "ruleId ruleIndex level locations properties"},
	"location":         {"", "physicalLocation"},
	"physicalLocation": {"artifactLocation", "region"},
	"artifactLocation": {"", "uri"},
	"region":           {"", "startLine startColumn"},
}

// object checks a value against sarifObjects.
func object(t *testing.T, kind string, v any) map[string]any {
	t.Helper()
	o, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s is %T", kind, v)
	}
	rule := sarifObjects[kind]
	required := strings.Fields(rule.required)
	for _, name := range required {
		if o[name] == nil {
			t.Errorf("%s has no %s", kind, name)
		}
	}
	for name := range o {
		if !slices.Contains(append(strings.Fields(rule.known), required...), name) {
			t.Errorf("%s has %s", kind, name)
		}
	}
	return o
}

// TestSARIFHasTheRequiredStructure: sections 3.13 to 3.30 of the standard.
func TestSARIFHasTheRequiredStructure(t *testing.T) {
	report := weak(t)
	report.File = "/etc/racoon/racoon conf"
	report.Findings = append(report.Findings, config.Diagnostic{Code: "XYZ1", File: report.File, What: "a {foreign} plugin"})
	var b bytes.Buffer
	if err := report.Write(&b, "sarif"); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	log := object(t, "log", v)
	runs := log["runs"].([]any)
	if log["version"] != "2.1.0" || len(runs) != 1 {
		t.Errorf("version %v, %d runs", log["version"], len(runs))
	}
	run := object(t, "run", runs[0])
	for _, i := range run["invocations"].([]any) {
		if object(t, "invocation", i)["executionSuccessful"] != false { // XYZ1 is an error
			t.Error("successful with an error")
		}
	}
	rules := sarifRules(t, object(t, "driver", object(t, "tool", run["tool"])["driver"])["rules"].([]any))
	results := run["results"].([]any)
	if len(results) != len(report.Findings) {
		t.Errorf("%d results of %d findings", len(results), len(report.Findings))
	}
	for _, r := range results {
		checkSARIFResult(t, object(t, "result", r), rules)
	}
}

func sarifRules(t *testing.T, rules []any) (ids []string) {
	for _, r := range rules {
		rule := object(t, "rule", r)
		for _, name := range []string{"shortDescription", "fullDescription", "help"} {
			if rule[name] != nil {
				object(t, "text", rule[name])
			}
		}
		ids = append(ids, fmt.Sprint(rule["id"]))
	}
	if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != len(ids) {
		t.Errorf("a rule twice: %q", ids)
	}
	return ids
}

func checkSARIFResult(t *testing.T, r map[string]any, rules []string) {
	if rules[int(r["ruleIndex"].(float64))] != r["ruleId"] {
		t.Errorf("rule %v is not %v", r["ruleIndex"], r["ruleId"])
	}
	if level := r["level"].(string); !slices.Contains([]string{"error", "warning", "note"}, level) {
		t.Errorf("level %q", level)
	}
	text := object(t, "text", r["message"])["text"].(string)
	if bare := strings.NewReplacer("{{", "", "}}", "").Replace(text); strings.ContainsAny(bare, "{}") {
		t.Errorf("a placeholder in %q", text)
	}
	for _, l := range r["locations"].([]any) {
		place := object(t, "physicalLocation", object(t, "location", l)["physicalLocation"])
		if uri := object(t, "artifactLocation", place["artifactLocation"])["uri"].(string); strings.Contains(uri, " ") {
			t.Errorf("uri %q", uri)
		}
		if place["region"] != nil {
			region := object(t, "region", place["region"])
			for _, n := range region {
				if n.(float64) < 1 {
					t.Errorf("region %v", region)
				}
			}
		}
	}
}

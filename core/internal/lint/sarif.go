package lint

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/config"
)

// SARIF 2.1.0 (OASIS), as much of it as a report needs. Names are the standard's.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string            `json:"id"`
		ShortDescription *sarifMessage     `json:"shortDescription,omitempty"`
		FullDescription  *sarifMessage     `json:"fullDescription,omitempty"`
		Help             *sarifMessage     `json:"help,omitempty"`
		Properties       map[string]string `json:"properties,omitempty"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool `json:"executionSuccessful"`
	}
	sarifResult struct {
		RuleID     string            `json:"ruleId"`
		RuleIndex  int               `json:"ruleIndex"`
		Level      string            `json:"level"`
		Message    sarifMessage      `json:"message"`
		Locations  []sarifLocation   `json:"locations"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	sarifMessage struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPlace `json:"physicalLocation"`
	}
	sarifPlace struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

func (r *Report) sarif() sarifLog {
	run := sarifRun{
		Tool:        sarifTool{Driver: sarifDriver{Name: "racoon lint", Version: r.Tool, Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: !config.Failed(r.Findings)}},
		ColumnKind:  "unicodeCodePoints",
		Results:     []sarifResult{},
	}
	rules := &run.Tool.Driver.Rules
	for _, d := range r.Findings {
		i := slices.IndexFunc(*rules, func(x sarifRule) bool { return x.ID == d.Code })
		if i < 0 {
			i = len(*rules)
			*rules = append(*rules, ruleOf(d.Code))
		}
		run.Results = append(run.Results, sarifResult{RuleID: d.Code, RuleIndex: i, Level: d.Severity.String(),
			Message: messageOf(d), Locations: []sarifLocation{{PhysicalLocation: placeOf(d)}}, Properties: given("fix", d.Fix)})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// ruleOf describes a code; one that nobody has explained, of a foreign plugin, has
// nothing but its name.
func ruleOf(code string) sarifRule {
	e, ok := Explain(code)
	if !ok {
		return sarifRule{ID: code}
	}
	rule := sarifRule{ID: code, ShortDescription: &sarifMessage{Text: e.Title}, FullDescription: &sarifMessage{Text: e.Why},
		Help: &sarifMessage{Text: e.Do}, Properties: given("policy", e.Policy)}
	if e.Source != "" {
		rule.Properties["source"] = e.Source
	}
	return rule
}

// messageOf is the classic sentence, and for those who show markdown the fix too.
// Braces are doubled (section 3.11.5): a single one begins a placeholder.
func messageOf(d config.Diagnostic) sarifMessage {
	text := d.What
	if d.Token != "" {
		text = `"` + d.Token + `" ` + text
	}
	braces := strings.NewReplacer("{", "{{", "}", "}}")
	m := sarifMessage{Text: braces.Replace(text)}
	if d.Fix != "" {
		literal := strings.NewReplacer("{", "{{", "}", "}}", `\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`)
		m.Markdown = literal.Replace(text) + "\n\n**Fix:** " + literal.Replace(d.Fix)
	}
	return m
}

// placeOf leaves the region out where a finding is about the whole file.
func placeOf(d config.Diagnostic) sarifPlace {
	u := url.URL{Path: filepath.ToSlash(d.File)}
	if filepath.IsAbs(d.File) {
		u.Scheme = "file"
	}
	p := sarifPlace{ArtifactLocation: sarifArtifact{URI: u.String()}}
	if d.Line > 0 {
		p.Region = &sarifRegion{StartLine: d.Line, StartColumn: d.Col}
	}
	return p
}

func given(key, value string) map[string]string {
	if value == "" {
		return nil
	}
	return map[string]string{key: value}
}

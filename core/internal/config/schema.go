package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/racoon-ike/racoon/core/internal/schema"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
)

// Invalid is a plugin's configuration that does not fit its schema.
type Invalid struct {
	Kind, Name  string
	Diagnostics []Diagnostic
}

func (e *Invalid) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "configuration of plugin %s/%s", e.Kind, e.Name)
	for _, d := range e.Diagnostics {
		fmt.Fprintf(&b, "\n%s", strings.TrimRight(d.Text(), "\n"))
	}
	return b.String()
}

// Decode reads the plugin's config block with the schema the plugin declares and
// returns what it is to be configured with. The error is *Invalid, with file and
// line, if the block does not fit. A plugin without a schema takes no configuration.
func (s PluginSpec) Decode(declared *sdk.Schema) (json.RawMessage, error) {
	if declared == nil {
		declared = &sdk.Schema{}
	}
	text, diags := schema.Decode(*declared, s.body, s.ctx)
	if diags.HasErrors() {
		return nil, &Invalid{s.Kind, s.Name, s.translate(*declared, diags)}
	}
	return text, nil
}

// Explain gives a plugin's own complaints about its configuration their place in
// the file.
func (s PluginSpec) Explain(declared *sdk.Schema, complaints sdk.Diagnostics) []Diagnostic {
	if declared == nil {
		declared = &sdk.Schema{}
	}
	out := s.translate(*declared, schema.Diagnostics(*declared, s.body, complaints))
	for i, c := range complaints {
		if c.Code != "" {
			out[i].Code = c.Code
		}
		if c.Fix != "" {
			out[i].Fix = c.Fix
		}
		out[i].What = fmt.Sprintf("plugin %s/%s: %s", s.Kind, s.Name, c.Summary)
		if c.Detail != "" {
			out[i].What += ": " + c.Detail
		}
	}
	return out
}

// translate keeps the values of secret attributes out of what is quoted.
func (s PluginSpec) translate(declared sdk.Schema, diags hcl.Diagnostics) []Diagnostic {
	names := secretNames(declared.Body)
	hide := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\s*=.*`)
	out := make([]Diagnostic, len(diags))
	for i, d := range diags {
		if !s.Explicit() {
			out[i] = translate(newSource(s.Where.File, ""), d, codePlugins)
			out[i].Line, out[i].Col = s.Where.Line, 1
			continue
		}
		out[i] = translate(s.text, d, codePlugins)
		if len(names) > 0 && hide.MatchString(out[i].Snippet) {
			out[i].Snippet, out[i].Token = hide.ReplaceAllString(out[i].Snippet, `$1 = "***"`), ""
		}
	}
	return out
}

func secretNames(b sdk.Body) (names []string) {
	for _, a := range b.Attrs {
		if a.Kind == sdk.Secret {
			names = append(names, regexp.QuoteMeta(a.Name))
		}
	}
	for _, k := range b.Blocks {
		names = append(names, secretNames(k.Body)...)
	}
	return names
}

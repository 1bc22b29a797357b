package config

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
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
	if len(s.Literals)+len(s.References)+len(s.KeyNames) == 0 {
		return text, nil
	}
	if !takesSharedSecrets(declared.Body) {
		return nil, s.invalid("takes no shared_secret, which a remote section gives it", "")
	}
	return s.addSecrets(text)
}

// sharedSecret is the block of a plugin that takes what sections say about secrets,
// with the attributes key and use.
const sharedSecret = "shared_secret"

func takesSharedSecrets(b sdk.Body) bool {
	return slices.ContainsFunc(b.Blocks, func(k sdk.Block) bool {
		return k.Name == sharedSecret && k.Nesting == sdk.Map && len(k.Labels) == 1
	})
}

// addSecrets puts the sections' secrets into the plugin's configuration. A
// literal is use = "literal:" and its base64, which the schema refuses in HCL. The
// result holds it in clear: it is for the plugin, and never for a message.
func (s PluginSpec) addSecrets(text json.RawMessage) (json.RawMessage, error) {
	var all map[string]json.RawMessage
	blocks := map[string]json.RawMessage{}
	err := json.Unmarshal(text, &all)
	if err == nil {
		err = json.Unmarshal(all[sharedSecret], &blocks)
	}
	if err != nil { // we have made it ourselves
		return nil, fmt.Errorf("configuration of plugin %s/%s: %w", s.Kind, s.Name, err)
	}
	add := func(remote string, block json.RawMessage) {
		if blocks[remote] != nil {
			err = s.invalid(fmt.Sprintf("shared_secret of section %q stands in the plugin's configuration and in the section", remote), "remove one of them")
		}
		blocks[remote] = block
	}
	for attr, values := range map[string]map[string]string{"key": s.KeyNames, "use": s.References} {
		for remote, value := range values {
			block, err := json.Marshal(map[string]string{attr: value})
			if err != nil {
				return nil, fmt.Errorf("configuration of plugin %s/%s: %w", s.Kind, s.Name, err)
			}
			add(remote, block)
		}
	}
	for remote, l := range s.Literals {
		block := make([]byte, 0, 32+base64.StdEncoding.EncodedLen(l.Len())) // never moved: it is cleared below
		block = append(block, `{"use":"literal:`...)
		block = append(base64.StdEncoding.AppendEncode(block, l.Reveal()), `"}`...)
		defer clear(block)
		add(remote, block)
	}
	if err != nil {
		return nil, err
	}
	if all[sharedSecret], err = json.Marshal(blocks); err == nil {
		defer clear(all[sharedSecret])
		text, err = json.Marshal(all)
	}
	return text, err
}

// invalid is one complaint about the plugin as a whole.
func (s PluginSpec) invalid(what, fix string) *Invalid {
	return &Invalid{s.Kind, s.Name, []Diagnostic{{Code: codePlugins, File: s.Where.File, Line: s.Where.Line, What: what, Fix: fix}}}
}

// Explain gives a plugin's own complaints about its configuration their place in
// the file.
func (s PluginSpec) Explain(declared *sdk.Schema, complaints sdk.Diagnostics) []Diagnostic {
	if declared == nil {
		declared = &sdk.Schema{}
	}
	out := s.translate(*declared, schema.Diagnostics(*declared, s.body, complaints))
	for i, c := range complaints {
		if c.Severity == sdk.Note {
			out[i].Severity = Note
		}
		if c.Code != "" {
			out[i].Code = c.Code
		}
		out[i].Fix = c.Fix // not the detail, which What has
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
	shown := s.text.shown() // the schema says what is secret
	hide := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\s*=.*`)
	out := make([]Diagnostic, len(diags))
	for i, d := range diags {
		if !s.Explicit() {
			out[i] = translate(newSource(s.Where.File, ""), d, codePlugins)
			out[i].Line, out[i].Col = s.Where.Line, 1
			continue
		}
		out[i] = translate(shown, d, codePlugins)
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

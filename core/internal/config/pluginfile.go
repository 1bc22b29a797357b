package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// PluginFile is a plugin whose configuration is a file of its own: what would stand in
// its config block. For who runs a plugin alone. The error is *Invalid.
func PluginFile(kind, name, file, text string) (PluginSpec, error) {
	src := newSource(file, text)
	src.hcl = true
	s := PluginSpec{Kind: kind, Name: name, Where: policy.Position{File: file, Line: 1}, text: src,
		ctx: &hcl.EvalContext{Variables: map[string]cty.Value{"local": cty.EmptyObjectVal}, Functions: hclFunctions()}}
	if fault, _ := excess(src); fault != "" {
		return s, s.invalid(fault, "")
	}
	parsed, diags := hclsyntax.ParseConfig([]byte(text), file, hcl.InitialPos)
	if diags.HasErrors() {
		invalid := &Invalid{Kind: kind, Name: name}
		for _, d := range diags {
			invalid.Diagnostics = append(invalid.Diagnostics, translate(src, d, codeSyntax))
		}
		return s, invalid
	}
	s.body = parsed.Body
	return s, nil
}

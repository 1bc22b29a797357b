package schema

import (
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

// Diagnostics gives a plugin's complaints their place in the source they are about.
func Diagnostics(s config.Schema, body hcl.Body, ds config.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range ds {
		severity := hcl.DiagError
		if d.Severity != config.Error { // HCL knows no notes
			severity = hcl.DiagWarning
		}
		detail := d.Detail
		if d.Fix != "" {
			detail += fmt.Sprintf(" Write %s instead.", d.Fix)
		}
		at, secret := locate(s.Body, body, d.Path)
		diag := &hcl.Diagnostic{Severity: severity, Summary: d.Summary, Detail: detail, Subject: at.Ptr(), Extra: Code(d.Code)}
		if secret { // whoever prints a subject prints its line
			diag.Subject = nil
			diag.Detail = fmt.Sprintf("%s:%d: %s", at.Filename, at.Start.Line, detail)
		}
		out = append(out, diag)
	}
	return out
}

// Code is the stable name of a plugin's diagnostic, in its Extra field.
type Code string

// locate follows path as far as the source goes.
func locate(s config.Body, body hcl.Body, path []string) (at hcl.Range, secret bool) {
	content := contentOf(s, body)
	if len(path) == 0 {
		return content.MissingItemRange, false
	}
	name, path := path[0], path[1:]
	for _, a := range s.Attrs {
		if src := content.Attributes[a.Name]; a.Name == name && src != nil {
			return inside(src.Expr, path), a.Kind == config.Secret
		}
	}
	for _, k := range s.Blocks {
		if k.Name != name {
			continue
		}
		if b, rest := pick(k, content.Blocks.OfType(name), path); b != nil {
			if len(rest) == 0 {
				return b.DefRange, false
			}
			return locate(k.Body, b.Body, rest)
		}
	}
	return content.MissingItemRange, false
}

// pick is the block of k that path's head names, and path's tail.
func pick(k config.Block, blocks hcl.Blocks, path []string) (*hcl.Block, []string) {
	switch k.Nesting {
	case config.List:
		if len(path) == 0 {
			break
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(blocks) {
			return blocks[i], path[1:]
		}
	case config.Map:
		for _, b := range blocks {
			if n := len(b.Labels); len(path) >= n && equal(path[:n], b.Labels) {
				return b, path[n:]
			}
		}
	}
	if len(blocks) == 0 {
		return nil, nil
	}
	if k.Nesting == config.Single {
		return blocks[0], path
	}
	return blocks[0], nil
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// inside is where in an expression path points.
func inside(e hcl.Expression, path []string) hcl.Range {
	if len(path) == 0 {
		return e.Range()
	}
	if list, diags := hcl.ExprList(e); !diags.HasErrors() {
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(list) {
			return inside(list[i], path[1:])
		}
	}
	if pairs, diags := hcl.ExprMap(e); !diags.HasErrors() {
		for _, p := range pairs {
			if k := hcl.ExprAsKeyword(p.Key); k == path[0] {
				return inside(p.Value, path[1:])
			}
			if v, diags := p.Key.Value(nil); !diags.HasErrors() && v.Type().FriendlyName() == "string" && v.AsString() == path[0] {
				return inside(p.Value, path[1:])
			}
		}
	}
	return e.Range()
}

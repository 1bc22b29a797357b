package schema

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

// Decode reads body by s and returns the JSON the plugin gets: defaults filled in,
// paths absolute, durations in Go's syntax; what is neither set nor has a default is
// left out. The JSON is nil if the diagnostics have errors.
func Decode(s config.Schema, body hcl.Body, ctx *hcl.EvalContext) (json.RawMessage, hcl.Diagnostics) {
	spec, err := Compile(s)
	if err != nil {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Unusable plugin schema",
			Detail:  fmt.Sprintf("The plugin declares a configuration that cannot be read: %v. This is a fault of the plugin.", err),
			Subject: body.MissingItemRange().Ptr(),
		}}
	}
	v, diags := hcldec.Decode(body, spec, ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	d := decoder{diags: diags}
	tree := d.body(s.Body, body, v)
	if d.diags.HasErrors() {
		return nil, d.diags
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, append(d.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Unusable plugin configuration", Detail: err.Error(), Subject: body.MissingItemRange().Ptr(),
		})
	}
	return text, d.diags
}

// decoder walks schema, source and decoded value side by side.
type decoder struct{ diags hcl.Diagnostics }

// contentOf is the source of a body that hcldec has found to be right.
func contentOf(s config.Body, body hcl.Body) *hcl.BodyContent {
	var bs hcl.BodySchema
	for _, a := range s.Attrs {
		bs.Attributes = append(bs.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	for _, k := range s.Blocks {
		bs.Blocks = append(bs.Blocks, hcl.BlockHeaderSchema{Type: k.Name, LabelNames: k.Labels})
	}
	content, _, _ := body.PartialContent(&bs)
	return content
}

func (d *decoder) body(s config.Body, body hcl.Body, v cty.Value) map[string]any {
	content := contentOf(s, body)
	out := map[string]any{}
	for _, a := range s.Attrs {
		if v := v.GetAttr(a.Name); !v.IsNull() {
			out[a.Name] = d.attr(a, content, v)
		}
	}
	for _, k := range s.Blocks {
		blocks, v := content.Blocks.OfType(k.Name), v.GetAttr(k.Name)
		switch k.Nesting {
		case config.Single:
			if !v.IsNull() {
				out[k.Name] = d.body(k.Body, blocks[0].Body, v)
			}
		case config.List:
			list := make([]any, len(blocks))
			for i, b := range blocks {
				list[i] = d.body(k.Body, b.Body, v.Index(cty.NumberIntVal(int64(i))))
			}
			out[k.Name] = list
		case config.Map:
			out[k.Name] = d.labelled(k, content, blocks, v)
		}
	}
	return out
}

// labelled is one level of objects per label.
func (d *decoder) labelled(k config.Block, content *hcl.BodyContent, blocks hcl.Blocks, v cty.Value) map[string]any {
	if len(blocks) < k.Min || k.Max > 0 && len(blocks) > k.Max {
		d.errorf(content.MissingItemRange, fmt.Sprintf("Wrong number of %s blocks", k.Name), "%s, not %d.", wanted(k), len(blocks))
	}
	out := map[string]any{}
	for _, b := range blocks {
		at, v := out, v
		for i, label := range b.Labels {
			v = v.GetAttr(label)
			if i == len(b.Labels)-1 {
				at[label] = d.body(k.Body, b.Body, v)
				break
			}
			next, ok := at[label].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[label] = next
			}
			at = next
		}
	}
	return out
}

func wanted(k config.Block) string {
	switch {
	case k.Max == 0:
		return fmt.Sprintf("At least %d must be given", k.Min)
	case k.Min == k.Max:
		return fmt.Sprintf("Exactly %d must be given", k.Min)
	}
	return fmt.Sprintf("Between %d and %d may be given", k.Min, k.Max)
}

// attr applies what a type cannot say.
func (d *decoder) attr(a config.Attr, content *hcl.BodyContent, v cty.Value) any {
	at := content.MissingItemRange
	if src := content.Attributes[a.Name]; src != nil {
		at = src.Expr.Range()
		if a.Deprecated != "" {
			d.diags = append(d.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: fmt.Sprintf("%q is deprecated", a.Name), Detail: a.Deprecated, Subject: src.NameRange.Ptr(),
			})
		}
	}
	v, _ = cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if v.IsNull() || !v.Type().IsPrimitiveType() {
			return v, nil
		}
		return d.scalar(a, at, v), nil
	})
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		d.errorf(at, "Unusable value", "%q: %v.", a.Name, err)
		return nil
	}
	return json.RawMessage(text)
}

func (d *decoder) errorf(at hcl.Range, summary, format string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr(),
	})
}

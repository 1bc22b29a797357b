package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

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
// returns what it is to be configured with: JSON, defaults filled in, paths
// absolute, durations in Go's syntax. The error is *Invalid, with file and line, if
// the block does not fit. A plugin without a schema takes no configuration.
func (s PluginSpec) Decode(schema *sdk.Schema) (json.RawMessage, error) {
	if schema == nil {
		schema = &sdk.Schema{}
	}
	d := &decoder{spec: s, dir: "/"}
	if s.text != nil {
		d.dir = filepath.Dir(s.text.name)
	}
	spec, err := d.compile(schema.Body)
	if err != nil {
		return nil, fmt.Errorf("schema of plugin %s/%s: %w", s.Kind, s.Name, err)
	}
	v, diags := hcldec.Decode(s.body, spec, nil)
	d.hcl(diags)
	if !diags.HasErrors() {
		v = d.body(v, schema.Body, nil)
	}
	if Failed(d.diags) {
		return nil, &Invalid{s.Kind, s.Name, d.diags}
	}
	return ctyjson.Marshal(v, v.Type())
}

// decoder compiles a schema for hcldec and checks what hcldec cannot.
type decoder struct {
	spec  PluginSpec
	dir   string // of the file, for relative paths
	diags []Diagnostic
}

func (d *decoder) hcl(diags hcl.Diagnostics) {
	for _, h := range diags {
		src := d.spec.text
		if src == nil {
			src = newSource("racoon.conf", "")
		}
		d.diags = append(d.diags, fromHCLDiagnostic(src, h))
	}
}

func (d *decoder) compile(b sdk.Body) (hcldec.ObjectSpec, error) {
	out := hcldec.ObjectSpec{}
	for _, a := range b.Attrs {
		typ, err := attrType(a)
		if err != nil {
			return nil, err
		}
		var spec hcldec.Spec = &hcldec.AttrSpec{Name: a.Name, Type: typ, Required: a.Required}
		if a.Default != "" {
			v, err := literal(a.Default, typ)
			if err != nil {
				return nil, fmt.Errorf("default of %s: %w", a.Name, err)
			}
			spec = &hcldec.DefaultSpec{Primary: spec, Default: &hcldec.LiteralSpec{Value: v}}
		}
		out[a.Name] = spec
	}
	for _, blk := range b.Blocks {
		inner, err := d.compile(blk.Body)
		if err != nil {
			return nil, err
		}
		switch blk.Nesting {
		case sdk.Single:
			out[blk.Name] = &hcldec.BlockSpec{TypeName: blk.Name, Nested: inner, Required: blk.Min > 0}
		case sdk.List:
			out[blk.Name] = &hcldec.BlockListSpec{TypeName: blk.Name, Nested: inner, MinItems: blk.Min, MaxItems: blk.Max}
		case sdk.Map:
			if len(blk.Labels) == 0 {
				return nil, fmt.Errorf("block %s: a map without labels", blk.Name)
			}
			out[blk.Name] = &hcldec.BlockMapSpec{TypeName: blk.Name, LabelNames: blk.Labels, Nested: inner}
		default:
			return nil, fmt.Errorf("block %s: unknown nesting %d", blk.Name, blk.Nesting)
		}
	}
	return out, nil
}

func attrType(a sdk.Attr) (cty.Type, error) {
	expr, diags := hclsyntax.ParseExpression([]byte(a.Type), "schema", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilType, fmt.Errorf("type of %s: %w", a.Name, diags)
	}
	typ, diags := typeexpr.TypeConstraint(expr)
	if diags.HasErrors() {
		return cty.NilType, fmt.Errorf("type of %s: %w", a.Name, diags)
	}
	return typ, nil
}

func literal(text string, typ cty.Type) (cty.Value, error) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), "schema", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	return convert.Convert(v, typ)
}

// body checks the values of a block and normalises them. path leads to it.
func (d *decoder) body(v cty.Value, b sdk.Body, path []string) cty.Value {
	if v.IsNull() {
		return v
	}
	out := v.AsValueMap()
	for _, a := range b.Attrs {
		w, err := d.attr(out[a.Name], a)
		if err != nil {
			d.complain(append(slices.Clone(path), a.Name), a.Kind == sdk.Secret, err.Error())
		}
		out[a.Name] = w
	}
	for _, blk := range b.Blocks {
		out[blk.Name] = d.block(out[blk.Name], blk, append(slices.Clone(path), blk.Name), len(blk.Labels))
	}
	return cty.ObjectVal(out)
}

// block goes through the blocks of one name: labels levels of maps, or a list.
func (d *decoder) block(v cty.Value, blk sdk.Block, path []string, labels int) cty.Value {
	if v.IsNull() || blk.Nesting == sdk.Single || blk.Nesting == sdk.Map && labels == 0 {
		return d.body(v, blk.Body, path)
	}
	if v.LengthInt() == 0 {
		return v
	}
	items, fields := []cty.Value{}, map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if blk.Nesting == sdk.List {
			items = append(items, d.body(e, blk.Body, append(slices.Clone(path), strconv.Itoa(len(items)))))
		} else {
			name := k.AsString()
			fields[name] = d.block(e, blk, append(slices.Clone(path), name), labels-1)
		}
	}
	if blk.Nesting == sdk.List {
		return cty.TupleVal(items)
	}
	return cty.ObjectVal(fields)
}

// attr checks one value against what its type cannot say.
func (d *decoder) attr(v cty.Value, a sdk.Attr) (cty.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	if v.Type() == cty.Number && (a.Min != nil || a.Max != nil) {
		f, _ := v.AsBigFloat().Float64()
		if a.Min != nil && f < *a.Min || a.Max != nil && f > *a.Max {
			return v, fmt.Errorf("%s is out of range%s", a.Name, bounds(a))
		}
	}
	if v.Type() != cty.String {
		return v, nil
	}
	s := v.AsString()
	switch {
	case len(a.OneOf) > 0 && !slices.Contains(a.OneOf, s):
		return v, fmt.Errorf("%s must be one of %s", a.Name, quoted(a.OneOf))
	case a.Kind == sdk.FilePath && s != "" && !filepath.IsAbs(s):
		return cty.StringVal(filepath.Join(d.dir, s)), nil
	case a.Kind == sdk.Duration:
		t, err := duration(s)
		if err != nil {
			return v, fmt.Errorf("%s is no duration: write \"30s\" or \"8 hour\"", a.Name)
		}
		return cty.StringVal(t.String()), nil
	case a.Kind == sdk.Secret && !isReference(s):
		return v, fmt.Errorf("%s is a secret and must not stand in a configuration file: write \"file:PATH\", \"env:NAME\" or \"handle:NAME\"", a.Name)
	}
	return v, nil
}

func bounds(a sdk.Attr) string {
	var b strings.Builder
	if a.Min != nil {
		fmt.Fprintf(&b, ", at least %g", *a.Min)
	}
	if a.Max != nil {
		fmt.Fprintf(&b, ", at most %g", *a.Max)
	}
	return b.String()
}

func isReference(s string) bool {
	for _, scheme := range []string{"file:", "env:", "handle:"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok && rest != "" {
			return true
		}
	}
	return false
}

// duration reads Go's syntax, or a number and a unit of racoon.conf.
func duration(s string) (time.Duration, error) {
	number, unit, ok := strings.Cut(s, " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if ok && err == nil && timeUnits[unit] > 0 {
		return time.Duration(n*timeUnits[unit]) * time.Second, nil
	}
	t, err := time.ParseDuration(s)
	if err == nil && t < 0 {
		err = errors.New("negative")
	}
	return t, err
}

// Explain gives a plugin's own complaints about its configuration their place in
// the file.
func (s PluginSpec) Explain(diags sdk.Diagnostics) []Diagnostic {
	d := &decoder{spec: s}
	for _, c := range diags {
		what := fmt.Sprintf("plugin %s/%s: %s", s.Kind, s.Name, c.Summary)
		if c.Detail != "" {
			what += ": " + c.Detail
		}
		d.complain(c.Path, false, what)
		last := &d.diags[len(d.diags)-1]
		if last.Fix = c.Fix; c.Code != "" {
			last.Code = c.Code
		}
		if c.Severity == sdk.Warning {
			last.Severity = Warning
		}
	}
	return d.diags
}

// complain reports something about the value a path leads to. A secret's line is
// not quoted.
func (d *decoder) complain(path []string, isSecret bool, what string) {
	if d.spec.text == nil {
		d.diags = append(d.diags, Diagnostic{Code: codePlugins, File: "racoon.conf", What: what})
		return
	}
	diag := fromHCL(d.spec.text, locate(d.spec.body, path), Error, what, "")
	if isSecret {
		diag.Snippet, diag.Token = "", ""
	}
	d.diags = append(d.diags, diag)
}

// locate finds the range a path leads to, or as near as it gets.
func locate(body hcl.Body, path []string) hcl.Range {
	b, ok := body.(*hclsyntax.Body)
	if !ok {
		return body.MissingItemRange()
	}
	at := b.MissingItemRange()
	if len(path) == 0 {
		return at
	}
	if a := b.Attributes[path[0]]; a != nil {
		return a.Expr.Range()
	}
	index := 0
	for _, blk := range b.Blocks {
		if blk.Type != path[0] {
			continue
		}
		rest := path[1:]
		switch {
		case len(blk.Labels) > 0 && len(rest) >= len(blk.Labels) && slices.Equal(blk.Labels, rest[:len(blk.Labels)]):
			rest = rest[len(blk.Labels):]
		case len(blk.Labels) > 0:
			continue
		case len(rest) > 0 && rest[0] == strconv.Itoa(index):
			rest = rest[1:]
		case len(rest) > 0 && isNumber(rest[0]):
			index++
			continue
		}
		if at = blk.DefRange(); len(rest) > 0 {
			at = locate(blk.Body, rest)
		}
		return at
	}
	return at
}

func isNumber(s string) bool { return s != "" && run(s, isDigit) == len(s) }

package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// LoadAll reads every scenario below root, in the order of their names.
// Directories without a scenario.hcl are passed over.
func LoadAll(root string) ([]*Scenario, error) {
	files, err := filepath.Glob(filepath.Join(root, "*", "scenario.hcl"))
	if err != nil {
		return nil, err
	}
	var all []*Scenario
	for _, f := range files {
		some, err := load(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// document is a scenario.hcl before the variables of a row are known.
type document struct {
	Matrix *matrix  `hcl:"matrix,block"`
	Rest   hcl.Body `hcl:",remain"`
}

func load(file string) ([]*Scenario, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	all, err := parse(filepath.Base(dir), file, src)
	for _, s := range all {
		s.Dir = dir
		if err := s.checkParams(); err != nil {
			return nil, err
		}
	}
	return all, err
}

func parse(name, file string, src []byte) ([]*Scenario, error) {
	parsed, diags := hclparse.NewParser().ParseHCL(src, file)
	if diags.HasErrors() {
		return nil, diags
	}
	var doc document
	if diags := gohcl.DecodeBody(parsed.Body, nil, &doc); diags.HasErrors() {
		return nil, diags
	}
	rows := []row{{}}
	if doc.Matrix != nil {
		var err error
		if rows, err = doc.Matrix.expand(); err != nil {
			return nil, err
		}
	}
	var all []*Scenario
	for _, r := range rows {
		s := new(Scenario)
		if diags := gohcl.DecodeBody(doc.Rest, r.context(), s); diags.HasErrors() {
			return nil, diags
		}
		s.Name = strings.Join(append([]string{name}, r.label()...), "/")
		s.Tags = append(slices.Clone(s.Tags), r.tags...)
		if err := s.settle(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// context gives a scenario its variables: var.COLUMN, other("left"),
// daemon("racoon-pfkey"), which is racoon, split and length.
func (r row) context() *hcl.EvalContext {
	values := make(map[string]cty.Value)
	for i, c := range r.columns {
		values[c] = cty.StringVal(r.values[i])
	}
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(values)},
		Functions: map[string]function.Function{"split": stdlib.SplitFunc, "length": stdlib.LengthFunc, "other": ofText(Other), "daemon": ofText(func(word string) string {
			daemon, _ := daemonAndKernel(word)
			return daemon
		})},
	}
}

// ofText is a function from a string to a string.
func ofText(f func(string) string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(f(args[0].AsString())), nil
		},
	})
}

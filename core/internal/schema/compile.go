// Package schema reads the configuration block of a plugin by the schema the plugin
// declares. The block is decoded where it stands, so that every complaint, ours or
// the plugin's, has its file and line; the plugin gets JSON and needs no HCL.
package schema

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

// maxDepth bounds the nesting a plugin's schema may ask us to walk.
const maxDepth = 8

// Compile checks a plugin's schema and translates it for hcldec.
func Compile(s config.Schema) (hcldec.Spec, error) { return compileBody(s.Body, 0) }

func compileBody(b config.Body, depth int) (hcldec.ObjectSpec, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("blocks are nested deeper than %d", maxDepth)
	}
	spec := hcldec.ObjectSpec{}
	add := func(name string, s hcldec.Spec, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%q: %w", name, err)
		case !hclsyntax.ValidIdentifier(name):
			return fmt.Errorf("%q is not an HCL identifier", name)
		case spec[name] != nil:
			return fmt.Errorf("%q is declared twice", name)
		}
		spec[name] = s
		return nil
	}
	for _, a := range b.Attrs {
		s, err := compileAttr(a)
		if err := add(a.Name, s, err); err != nil {
			return nil, err
		}
	}
	for _, k := range b.Blocks {
		s, err := compileBlock(k, depth)
		if err := add(k.Name, s, err); err != nil {
			return nil, err
		}
	}
	return spec, nil
}

func compileAttr(a config.Attr) (hcldec.Spec, error) {
	typ, err := typeOf(a.Type)
	if err != nil {
		return nil, err
	}
	if a.Kind < config.Plain || a.Kind > config.Secret {
		return nil, fmt.Errorf("kind %d is unknown: the plugin is newer than we are", a.Kind)
	}
	if a.Kind != config.Plain && !typ.Equals(cty.String) && !typ.Equals(cty.List(cty.String)) {
		return nil, errors.New("file paths, durations and secrets are strings or lists of strings")
	}
	attr := &hcldec.AttrSpec{Name: a.Name, Type: typ, Required: a.Required}
	if a.Default == "" {
		return attr, nil
	}
	if a.Required {
		return nil, errors.New("it has a default and is required")
	}
	expr, diags := hclsyntax.ParseExpression([]byte(a.Default), "default", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("default %s: %w", a.Default, diags)
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return nil, fmt.Errorf("default %s: %w", a.Default, diags)
	}
	if v, err = convert.Convert(v, typ); err != nil {
		return nil, fmt.Errorf("default %s: %w", a.Default, err)
	}
	return &hcldec.DefaultSpec{Primary: attr, Default: &hcldec.LiteralSpec{Value: v}}, nil
}

// typeOf reads a type expression; "" is a string.
func typeOf(text string) (cty.Type, error) {
	if text == "" {
		return cty.String, nil
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "type", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilType, fmt.Errorf("type %s: %w", text, diags)
	}
	typ, diags := typeexpr.TypeConstraint(expr)
	if diags.HasErrors() {
		return cty.NilType, fmt.Errorf("type %s: %w", text, diags)
	}
	return typ, nil
}

func compileBlock(k config.Block, depth int) (hcldec.Spec, error) {
	body, err := compileBody(k.Body, depth+1)
	if err != nil {
		return nil, err
	}
	switch {
	case (k.Nesting == config.Map) != (len(k.Labels) > 0):
		return nil, errors.New("a map of blocks has labels, and nothing else has")
	case k.Min < 0 || k.Max < 0 || k.Max > 0 && k.Min > k.Max:
		return nil, fmt.Errorf("between %d and %d blocks", k.Min, k.Max)
	}
	switch k.Nesting {
	case config.Single:
		return &hcldec.BlockSpec{TypeName: k.Name, Nested: body, Required: k.Min > 0}, nil
	case config.List:
		return &hcldec.BlockTupleSpec{TypeName: k.Name, Nested: body, MinItems: k.Min, MaxItems: k.Max}, nil
	case config.Map:
		return &hcldec.BlockObjectSpec{TypeName: k.Name, LabelNames: k.Labels, Nested: body}, nil
	}
	return nil, fmt.Errorf("nesting %d is unknown: the plugin is newer than we are", k.Nesting)
}

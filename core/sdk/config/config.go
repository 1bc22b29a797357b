// Package config is how a plugin declares, receives and complains about its
// configuration. It does not import hcl: HCL lives in core only.
package config

import (
	"encoding/json"
	"fmt"
	"slices"
)

type Schema struct {
	Version     uint32
	Description string
	Body        Body
}
type Body struct {
	Attrs  []Attr
	Blocks []Block
}
type Attr struct {
	Name, Doc  string
	Type       string // HCL type expression: "string", "list(string)", "object({a=number})"
	Default    string // HCL literal expression; "" = no default
	Required   bool
	Deprecated string // non-empty = deprecated, with this advice
	Kind       AttrKind
	OneOf      []string // allowed literal values
	Min, Max   *float64
}

// AttrKind adds meaning a type cannot express.
type AttrKind int

const (
	Plain    AttrKind = iota
	FilePath          // core makes it absolute against the config file's directory
	Duration          // "30s", "8 hour"; core normalises to Go syntax
	Secret            // REFUSED by core unless the value is a file:/env:/handle: reference
)

type Nesting int

const (
	Single Nesting = iota
	List
	Map // labelled
)

type Block struct {
	Name, Doc string
	Nesting   Nesting
	Labels    []string
	Min, Max  int
	Body      Body
}

// Value is a validated configuration. Defaults are filled in. JSON is overwritten
// when the call that brought it has ended: what is needed longer has to be copied,
// as Decode does.
type Value struct{ JSON json.RawMessage }

func (v Value) Decode(into any) error { return json.Unmarshal(v.JSON, into) }

type Severity int

const (
	Error   Severity = iota // the configuration cannot be used
	Warning                 // usable, but an operator should look
	Note                    // worth knowing
)

// Path addresses a value: {"key","site-b","name"} or {"peer","0","addr"}.
type Diagnostic struct {
	Severity        Severity
	Summary, Detail string
	Path            []string // core maps it back to file:line:column
	Code            string   // stable, e.g. "PSK003"
	Fix             string   // what to write instead, "" if there is no one answer
}
type Diagnostics []Diagnostic

// HasErrors reports whether any of ds is an error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Errorf is one error about the value at path.
func Errorf(path []string, code, summary, format string, args ...any) Diagnostics {
	return Diagnostics{{Severity: Error, Summary: summary, Detail: fmt.Sprintf(format, args...), Path: path, Code: code}}
}

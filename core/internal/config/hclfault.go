package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// hclFault reports an error about a place in an HCL file.
func (p *parser) hclFault(src *source, where hcl.Range, code, what, fix string) {
	if src.mentionsHidden(fix) {
		fix = ""
	}
	p.diags = append(p.diags, fromHCL(src, where, Error, code, what, fix))
}

// phrase is what we say instead of a summary and a detail of hcl; an empty fix keeps
// the detail.
type phrase struct{ code, what, fix string }

const ownLine = "write each setting on a line of its own, and text in double quotes"

var phrases = map[string]phrase{
	"Invalid character":                        {codeLex, "is no character of HCL here", ""},
	"Invalid multi-line string":                {codeLex, "is never closed", "a string ends on the line it begins on"},
	"Unclosed configuration block":             {codeSyntax, "is never closed", "a block ends with } on a line of its own"},
	"Argument or block definition required":    {codeSyntax, "is not understood here", "a setting is written NAME = VALUE, a block NAME { ... }"},
	"Invalid block definition":                 {codeSyntax, "is not expected here", "a setting is written NAME = VALUE, a block NAME { ... } or NAME \"LABEL\" { ... }"},
	"Missing newline after argument":           {codeSyntax, "is not expected here: the end of the line is", ownLine},
	"Missing newline after block definition":   {codeSyntax, "is not expected here: the end of the line is", ""},
	"Unexpected comma after argument":          {codeSyntax, "is not expected here: the end of the line is", `several values are a list: ["a", "b"]`},
	"Invalid single-argument block definition": {codeSyntax, "is not expected here: a block on one line has one setting", ownLine},
	"Argument definition required":             {codeSyntax, "is not expected here: a block on one line has one setting", ownLine},
	"Invalid argument name":                    {codeSyntax, "is a quoted name", "write it without quotes"},
	"Invalid expression":                       {codeSyntax, "is no value", ""},
	"Missing item separator":                   {codeSyntax, "is not expected here: a comma or ] is", ""},
	"Invalid string literal":                   {codeSyntax, "has no place in a label", "write the label itself"},
	"Attribute redefined":                      {codeDuplicate, "is given already", ""},

	"Unknown variable":                     {codeValue, "is no variable", ""},
	"Call to unknown function":             {codeValue, "is no function", ""},
	"Unsupported attribute":                {codeValue, "is not there", ""},
	"Invalid index":                        {codeValue, "is not there", ""},
	"Invalid function argument":            {codeValue, "is no argument for this function", ""},
	"Error in function call":               {codeValue, "cannot be computed", ""},
	"Operation failed":                     {codeValue, "cannot be computed", ""},
	"Invalid operand":                      {codeValue, "cannot be computed", ""},
	"Invalid template interpolation value": {codeValue, "is no text", ""},
	"Too many function arguments":          {codeValue, "is one argument too many", ""},
	"Not enough function arguments":        {codeValue, "has too few arguments", ""},
	"Iteration over non-iterable value":    {codeValue, "is no list", ""},

	"Unsupported argument":      {codePlugins, "is no setting here", ""},
	"Unsupported block type":    {codePlugins, "is no block here", ""},
	"Missing required argument": {codePlugins, "a setting is missing", ""},
}

// translate puts what hcl says into our form.
func translate(src *source, d *hcl.Diagnostic, code string) Diagnostic {
	said := phrases[d.Summary]
	switch _, guess, ok := strings.Cut(d.Detail, "Did you mean "); {
	case said.code == "" && strings.HasPrefix(d.Summary, "Extraneous label"):
		said = phrase{code: code, what: "is one label too many"}
	case said.code == "" && strings.HasPrefix(d.Summary, "Missing ") && strings.HasSuffix(d.Summary, " for plugin"):
		said = phrase{code, "comes too early: two labels stand before it", `write plugin "KIND" "NAME" { ... }`}
	case said.code == "":
		said = phrase{code: code, what: lowerFirst(d.Summary)}
	case said.fix == "" && ok:
		said.fix = "did you mean " + guess
	}
	where := hcl.Range{Filename: src.name}
	if d.Subject != nil {
		where = *d.Subject
	}
	if said.fix == "" {
		said.fix = lowerFirst(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(d.Detail), "."), ":"))
	}
	if src.mentionsHidden(said.fix) {
		said.fix = ""
	}
	sev := Error
	if d.Severity == hcl.DiagWarning {
		sev = Warning
	}
	return fromHCL(src, where, sev, said.code, said.what, said.fix)
}

func lowerFirst(s string) string {
	if len(s) > 1 && strings.ToLower(s[1:2]) == s[1:2] { // no abbreviation
		s = strings.ToLower(s[:1]) + s[1:]
	}
	return strings.TrimSuffix(s, ".")
}

var redefined = regexp.MustCompile(`:(\d+),\d+-\d+\. Each`)

// hclSyntax reports what is given twice, and the first error of syntax. It returns the
// line of that, 0 if there is none.
func (p *parser) hclSyntax(f *hclFile, diags hcl.Diagnostics) (line int) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return a.Subject.Start.Byte - b.Subject.Start.Byte })
	for _, d := range diags {
		out := translate(f.src, d, codeSyntax)
		if d.Summary == "Attribute redefined" {
			if m := redefined.FindStringSubmatch(d.Detail); m != nil {
				out.Fix = "the first is in line " + m[1]
			}
			if !slices.Contains(p.diags, out) {
				p.diags = append(p.diags, out)
			}
			continue
		}
		if line > 0 {
			continue
		}
		line = out.Line
		text := strings.TrimSpace(f.src.line(min(max(out.Line, 1), len(f.src.lines)), 0))
		switch {
		case d.Summary == "Invalid multi-line string":
			quote := strings.LastIndexByte(f.src.text[:d.Subject.Start.Byte], '"')
			out = at(token{src: f.src, off: max(quote, 0), end: quote + 1}, out.Code, Error, out.What, out.Fix)
			line = out.Line
		case strings.HasSuffix(text, ";"):
			if f.classic { // said once
				continue
			}
			f.classic = true
			out.Fix = "this is the classic language, whose files are not called .hcl; HCL writes NAME = VALUE, one on a line, without a semicolon"
		case unquoted.MatchString(text):
			out.Fix = strings.ReplaceAll(unquoted.ReplaceAllString(text, `write $1 "$2" {`), `"*"`, `"LABEL"`)
		case d.Summary == "Invalid expression" && out.Token == "":
			out.What, out.Fix = "a value is expected here", ""
		case d.Summary == "Invalid number literal":
			out.What, out.Fix = "is no number", "write it in double quotes"
			if out.Token != "" && !strings.Contains(out.Token, "*") {
				out.Fix += `: "` + out.Token + `"`
			}
		case out.Token == "" && strings.HasPrefix(out.What, "is not expected here"):
			out.What = "the line ends too early: a block on one line is closed on it"
			out.Fix = "write } before the end of the line, or each setting and the } on a line of its own"
		case out.Token == "}" && d.Summary == "Argument or block definition required":
			out.What, out.Fix = "closes nothing", ""
		}
		p.diags = append(p.diags, out)
	}
	return line
}

// unquoted is a block whose label lacks its quotes.
var unquoted = regexp.MustCompile(`^(\w+) +[*']?([\w.:/-]+|\*)[*.:/'-]* *\{.*$`)

// hclExpression reports what is wrong with an expression.
func (p *parser) hclExpression(f *hclFile, diags hcl.Diagnostics) {
	for _, d := range diags {
		out := translate(f.src, d, codeValue)
		if strings.HasPrefix(out.Fix, "there is no function") { // which has been said
			out.Fix = ""
		}
		if t, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr); ok && (d.Summary == "Unknown variable" || d.Summary == "Unsupported attribute") {
			out = unknownName(f, t)
		}
		p.diags = append(p.diags, out)
	}
}

// unknownName explains a name that stands for nothing: most often a text without
// quotes.
func unknownName(f *hclFile, t *hclsyntax.ScopeTraversalExpr) Diagnostic {
	text := f.src.text[t.SrcRange.Start.Byte:t.SrcRange.End.Byte]
	fix := "write it in double quotes: " + quote(text)
	name, isLocal := strings.CutPrefix(text, "local.")
	switch {
	case isLocal:
		known := slices.Sorted(maps.Keys(f.ctx.Variables["local"].AsValueMap()))
		if fix = strings.Replace(didYouMean(name, known), `"`, `"local.`, 1); fix == "" {
			fix = "it must stand before, in a locals block of this file"
		}
	case strings.HasPrefix(text, "var."):
		fix = "a value stands in a locals block, and is called local." + strings.TrimPrefix(text, "var.")
	case switches[text] != "":
		fix = "write " + switches[text]
	}
	if f.src.mentionsHidden(fix) {
		fix = "write it in double quotes"
	}
	return fromHCL(f.src, t.SrcRange, Error, codeValue, "is no variable", fix)
}

// switches are the words of other languages for true and false.
var switches = map[string]string{"on": "true", "yes": "true", "true": "true", "off": "false", "no": "false", "false": "false"}

// fromHCL makes a diagnostic about a place in an HCL file.
func fromHCL(src *source, r hcl.Range, sev Severity, code, what, fix string) Diagnostic {
	if r.Start.Line < 1 || r.Start.Byte > len(src.text) { // of no place in this file
		return Diagnostic{Code: code, Severity: sev, File: src.name, Line: max(r.Start.Line, 1), Col: 1, What: what, Fix: fix}
	}
	line, _ := src.position(r.Start.Byte)
	end := min(r.End.Byte, len(src.text))
	if line < len(src.lines) { // the token of one line
		end = min(end, src.lines[line]-1)
	}
	return at(token{src: src, off: r.Start.Byte, end: max(end, r.Start.Byte)}, code, sev, what, fix)
}

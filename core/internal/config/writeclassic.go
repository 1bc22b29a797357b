package config

import (
	"fmt"
	"slices"
	"strings"
)

// classicWriter writes statements in the classic language. Those of an HCL file
// have its tokens already.
type classicWriter struct {
	b      strings.Builder
	secret func(arg) string            // the literal a reference stands for
	fault  func(token, string, string) // reports what cannot be written: what, fix
}

func (w *classicWriter) block(stmts []*statement, last []string, indent string) {
	for i, s := range stmts {
		if i > 0 && (s.d.body != top || stmts[i-1].d.body != top) {
			w.b.WriteString("\n")
		}
		comments(&w.b, slices.DeleteFunc(s.before, func(line string) bool { return line == legacyNote }), indent)
		w.statement(s, indent)
	}
	comments(&w.b, last, indent)
}

func (w *classicWriter) statement(s *statement, indent string) {
	behind := ""
	if s.behind != "" {
		behind = " # " + s.behind
	}
	text := indent + s.d.name + w.words(s)
	switch {
	case s.d.header: // allow_legacy, which a classic file does not need
		if s.behind != "" {
			comments(&w.b, []string{s.behind}, indent)
		}
	case s.d.body == top || len(s.body) == 0 && len(s.last) == 0 && s.d.body == inRemote && strings.Contains(text, " inherit "):
		w.b.WriteString(text + ";" + behind + "\n")
	default:
		w.b.WriteString(text + " {" + behind + "\n")
		w.block(s.body, s.last, indent+"\t")
		w.b.WriteString(indent + "}\n")
	}
}

// words are the tokens behind the name.
func (w *classicWriter) words(s *statement) string {
	var b strings.Builder
	listed := s.d.in == inRemote && len(s.args) > 0 && len(s.args[0].more) > 0 // its commas were read as blanks
	for i, t := range s.words {
		if listed && i > 0 && t.kind == word {
			b.WriteString(",")
		}
		switch t.kind {
		case prefix:
			b.WriteString("/" + t.text)
		case until:
			b.WriteString("-" + t.text)
		case port:
			b.WriteString(" [" + t.text + "]")
		case punct:
			if t.text == "," {
				b.WriteString(",")
			}
		case str:
			text := t.text
			for _, a := range s.args {
				if a.typ == "SECRET" && a.off == t.off {
					text = w.secret(a)
				}
			}
			if strings.Contains(text, `"`) {
				w.fault(t, "has a double quote in it, and a classic string cannot", "use another text, or stay with HCL")
			}
			fmt.Fprintf(&b, ` "%s"`, text)
		default:
			b.WriteString(" " + t.text)
		}
	}
	return b.String()
}

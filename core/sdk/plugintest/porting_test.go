package plugintest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/porting-kernel.md has to speak of everything a back end can be asked for or may
// say.
func TestThePortersGuideNamesEverything(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/porting-kernel.md")
	if err != nil {
		t.Fatal(err)
	}
	contract, err := parser.ParseFile(token.NewFileSet(), "../kernel/kernel.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`\w+`).FindAllString(string(guide), -1)
	check := func(name string) {
		if !slices.Contains(words, name) {
			t.Errorf("docs/porting-kernel.md does not speak of %s", name)
		}
	}
	for _, d := range contract.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		of := ""
		for _, s := range g.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				if id, ok := s.Type.(*ast.Ident); ok {
					of = id.Name
				}
				if slices.Contains([]string{"Feature", "OpKind", "OnError", "EventKind"}, of) {
					check(s.Names[0].Name)
				}
			case *ast.TypeSpec:
				if i, ok := s.Type.(*ast.InterfaceType); ok && s.Name.Name == "Backend" {
					for _, m := range i.Methods.List {
						check(m.Names[0].Name)
					}
				}
			}
		}
	}
	for _, link := range regexp.MustCompile(`\]\((\.\./[^)#]+)`).FindAllStringSubmatch(string(guide), -1) {
		if _, err := os.Stat("../../../docs/" + strings.TrimSuffix(link[1], "/")); err != nil {
			t.Error(err)
		}
	}
}

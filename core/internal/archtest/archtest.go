// Package archtest keeps the rules of the house: who may import whom, and what
// pure code must not say. It looks at direct imports and syntax only, of every
// platform's files, and every rule has a sentence that is printed when it is broken.
//
//	for _, b := range archtest.Check(os.DirFS(root)) {
//		t.Error(b)
//	}
//
// A new package needs a line in layers, a new module one in modules.
package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Breach is one broken rule.
type Breach struct {
	Where    string // file:line
	Rule     string // its name
	What     string
	Sentence string
}

func (b Breach) String() string {
	return fmt.Sprintf("%s: %s\n\t%s: %s", b.Where, b.What, b.Rule, b.Sentence)
}

// pkg is one directory of Go files.
type pkg struct {
	dir   string
	layer layer
	known bool
	files []*file
	vars  map[string]bool // package-level variables
}

// file is one Go file that is neither a test nor generated.
type file struct {
	name    string
	lines   int
	syntax  *ast.File
	imports map[string]string // local name → path
	locate  func(token.Pos) token.Position
}

// reporter takes a breach of the rule that is being checked.
type reporter func(where, format string, args ...any)

// rule is one thing to check; one of its functions is set.
type rule struct {
	name, sentence string
	pkg            func(*pkg, reporter)
	file           func(*pkg, *file, reporter)
	tree           func(fs.FS, []*pkg, reporter)
}

// Check looks at every Go file below root.
func Check(root fs.FS) ([]Breach, error) {
	pkgs, err := load(root)
	if err != nil {
		return nil, err
	}
	var breaches []Breach
	for _, r := range rules {
		report := func(where, format string, args ...any) {
			breaches = append(breaches, Breach{where, r.name, fmt.Sprintf(format, args...), r.sentence})
		}
		if r.tree != nil {
			r.tree(root, pkgs, report)
		}
		for _, p := range pkgs {
			if r.pkg != nil {
				r.pkg(p, report)
			}
			for _, f := range p.files {
				if r.file != nil {
					r.file(p, f, report)
				}
			}
		}
	}
	return breaches, nil
}

func load(root fs.FS) ([]*pkg, error) {
	byDir := make(map[string]*pkg)
	var all []*pkg
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (base == "testdata" || base == "build" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		f, err := parse(root, name)
		if err != nil || f == nil {
			return err
		}
		dir := path.Dir(name)
		p := byDir[dir]
		if p == nil {
			p = &pkg{dir: dir, vars: make(map[string]bool)}
			p.layer, p.known = layerOf(dir)
			byDir[dir] = p
			all = append(all, p)
		}
		p.files = append(p.files, f)
		for v := range packageVars(f.syntax) {
			p.vars[v.Name] = true
		}
		return nil
	})
	return all, err
}

// parse reads a file; nil for one that is generated.
func parse(root fs.FS, name string) (*file, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(syntax) {
		return nil, nil
	}
	f := &file{name: name, lines: bytes.Count(text, []byte("\n")), syntax: syntax, imports: make(map[string]string), locate: set.Position}
	for _, i := range syntax.Imports {
		p := importPath(i)
		local := path.Base(p)
		if i.Name != nil {
			local = i.Name.Name
		}
		f.imports[local] = p
	}
	return f, nil
}

func importPath(i *ast.ImportSpec) string {
	p, _ := strconv.Unquote(i.Path.Value) // the parser has checked it
	return p
}

// where is the place of a node.
func (f *file) where(n ast.Node) string {
	p := f.locate(n.Pos())
	return fmt.Sprintf("%s:%d", f.name, p.Line)
}

// refersTo returns the name used of an imported package: "Now" of time.Now.
func (f *file) refersTo(n ast.Node, importPath string) (string, bool) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok || x.Obj != nil || f.imports[x.Name] != importPath { // Obj: a variable hides the package
		return "", false
	}
	return sel.Sel.Name, true
}

// ours is an import's directory, if it is in this module.
func ours(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// thirdParty tells the world's packages from the library's.
func thirdParty(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	_, mine := ours(importPath)
	return !mine && strings.Contains(first, ".")
}

// packageVars yields the identifiers of a file's package-level variables.
func packageVars(f *ast.File) map[*ast.Ident]*ast.ValueSpec {
	vars := make(map[*ast.Ident]*ast.ValueSpec)
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			spec := s.(*ast.ValueSpec)
			for _, n := range spec.Names {
				vars[n] = spec
			}
		}
	}
	return vars
}

// sorted is for messages that must not depend on a map's order.
func sorted[K ~string](m map[K]bool) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

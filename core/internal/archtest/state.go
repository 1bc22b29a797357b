package archtest

import (
	"go/ast"
	"go/token"
	"strings"
)

// noMutableState finds package variables that somebody changes, and those whose
// type makes sense only if somebody does. What is changed through a pointer or a
// method it does not see.
func noMutableState(p *pkg, f *file, report reporter) {
	for name, spec := range packageVars(f.syntax) {
		if t := mutableType(f, spec); t != "" {
			report(f.where(name), "%s is a %s", name.Name, t)
		}
	}
	changed := func(e ast.Expr, how string) {
		if name, ok := p.packageVar(f, e); ok && foreignState[p.dir+" "+name] == "" {
			report(f.where(e), "%s %s", name, how)
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				if n.Tok != token.DEFINE {
					changed(e, "is assigned to")
				}
			}
		case *ast.IncDecStmt:
			changed(n.X, "is counted")
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				changed(n.Key, "is assigned to")
				changed(n.Value, "is assigned to")
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				if _, ok := n.X.(*ast.Ident); ok {
					changed(n.X, "is handed out by its address")
				}
			}
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && fn.Obj == nil && len(n.Args) > 0 && (fn.Name == "delete" || fn.Name == "clear" || fn.Name == "copy") {
				changed(n.Args[0], "is changed by "+fn.Name)
			}
		}
		return true
	})
}

// mutableType names a variable's type if it only makes sense for state.
func mutableType(f *file, spec *ast.ValueSpec) string {
	exprs := append([]ast.Expr{spec.Type}, spec.Values...)
	for _, e := range exprs {
		switch x := e.(type) {
		case *ast.CompositeLit:
			e = x.Type
		case *ast.CallExpr:
			if fn, ok := x.Fun.(*ast.Ident); ok && (fn.Name == "make" || fn.Name == "new") && len(x.Args) > 0 {
				e = x.Args[0]
			}
		}
		switch x := e.(type) {
		case *ast.ChanType:
			return "channel"
		case *ast.IndexExpr: // atomic.Pointer[T]
			e = x.X
		}
		for _, from := range []string{"sync", "sync/atomic"} {
			if name, ok := f.refersTo(e, from); ok && token.IsExported(name) && !strings.HasPrefix(name, "Once") {
				return from + "." + name
			}
		}
	}
	return ""
}

// packageVar returns the package variable that an assignment to e would change.
func (p *pkg) packageVar(f *file, e ast.Expr) (string, bool) {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if id, ok := x.X.(*ast.Ident); ok && id.Obj == nil && f.imports[id.Name] != "" {
				return id.Name + "." + x.Sel.Name, true // another package's variable
			}
			e = x.X
		case *ast.Ident:
			if !p.vars[x.Name] || x.Name == "_" {
				return "", false
			}
			// A local of the same name is resolved within its file; a package
			// variable is not resolved, or to its own declaration.
			return x.Name, x.Obj == nil || declares(f, x.Obj)
		default:
			return "", false
		}
	}
}

// declares reports whether an object is one of the file's package-level variables.
//
//lint:ignore SA1019 the rules read syntax only; a package's own scopes are all they need
func declares(f *file, o *ast.Object) bool {
	for name := range packageVars(f.syntax) {
		if name.Obj == o {
			return true
		}
	}
	return false
}

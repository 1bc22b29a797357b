package archtest

import (
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	maxLines    = 500
	maxMainOf   = 40 // a plugin's main.go
	maxCmdLines = 20
)

// rules in the order they are reported.
var rules = []rule{
	{name: "known package", pkg: knownPackage,
		sentence: "every package has a line in archtest/layers.go that says what it may know; decide that first"},
	{name: "downwards", file: downwards,
		sentence: "imports go down only (architecture, section 2): plugins see core/sdk alone, cmd only core, and a lower package never a higher one"},
	{name: "pure imports", file: pureImport,
		sentence: "a pure package computes: it gets time, randomness, files and the network as arguments, requests or replies, so that a test can decide them"},
	{name: "pure time", file: pureTime,
		sentence: "a pure package is told the time; whoever reads a clock cannot be replayed"},
	{name: "pure logging", file: pureLogging,
		sentence: "a pure package does not log, it notices; of log/slog only values are for it"},
	{name: "concurrency", file: concurrency,
		sentence: "goroutines, channels and locks belong to the shell (engine, pluginhost, control, logpipe, SDK, plugins, core): there each one has an owner who waits for it"},
	{name: "confined module", file: confined,
		sentence: "a module is confined to few packages, so that it can be replaced (archtest/layers.go says which, and why)"},
	{name: "no registration", file: noRegistration,
		sentence: "no init, no import for its side effect, no dot import: what a program consists of is written where it is put together"},
	{name: "no mutable state", file: noMutableState,
		sentence: "package variables are tables and errors, never changed: state has an owner, and two of everything must be possible"},
	{name: "file length", file: fileLength,
		sentence: "a file does one thing, in 100 to 300 lines; beyond 500 it does two"},
	{name: "small main", file: smallMain,
		sentence: "a main function starts something that a test can start too; it is not the place for code"},
	{name: "plugin directory", tree: pluginDirectory,
		sentence: "a plugin directory has main.go and a README.md with Name, Description, Configuration, Metrics, Examples, so that anyone finds anything in any plugin"},
}

func knownPackage(p *pkg, report reporter) {
	if !p.known {
		report(p.files[0].name, "package %s is in no layer", p.dir)
	}
}

func downwards(p *pkg, f *file, report reporter) {
	allowed := slices.Clone(p.layer.ours)
	if parts := strings.Split(p.dir, "/"); len(parts) > 1 && parts[0] == "plugins" {
		allowed = append(allowed, path.Join(parts[:2]...)+"/...")
	}
	for _, i := range f.syntax.Imports {
		if dir, ok := ours(importPath(i)); ok && p.known && !within(dir, allowed) {
			report(f.where(i), "%s imports %s", p.dir, dir)
		}
	}
}

func pureImport(p *pkg, f *file, report reporter) {
	if !p.known || p.layer.kind != pure {
		return
	}
	for _, i := range f.syntax.Imports {
		name := importPath(i)
		if _, mine := ours(name); !mine && !within(name, pureImports) && !within(name, p.layer.also) {
			report(f.where(i), "%s imports %s", p.dir, name)
		}
	}
}

// clocks are what time has beyond values.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker", "Timer", "Ticker"}

func pureTime(p *pkg, f *file, report reporter) {
	if p.layer.kind != pure || !p.known {
		return
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if name, ok := f.refersTo(n, "time"); ok && slices.Contains(clocks, name) {
			report(f.where(n), "%s says time.%s", p.dir, name)
		}
		return true
	})
}

// loggers are what log/slog has beyond values.
var loggers = []string{"Default", "SetDefault", "New", "NewLogLogger", "NewTextHandler", "NewJSONHandler", "With", "Logger", "Handler", "SetLogLoggerLevel",
	"Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error", "ErrorContext", "Log", "LogAttrs"}

func pureLogging(p *pkg, f *file, report reporter) {
	if p.layer.kind != pure || !p.known {
		return
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if name, ok := f.refersTo(n, "log/slog"); ok && slices.Contains(loggers, name) {
			report(f.where(n), "%s says slog.%s", p.dir, name)
		}
		return true
	})
}

func concurrency(p *pkg, f *file, report reporter) {
	if !p.known || p.layer.kind == shell || p.layer.kind == generated {
		return
	}
	for _, i := range f.syntax.Imports {
		if name := importPath(i); name == "sync" || name == "sync/atomic" {
			report(f.where(i), "%s imports %s", p.dir, name)
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "go"
		case *ast.ChanType:
			what = "chan"
		case *ast.SelectStmt:
			what = "select"
		case *ast.SendStmt:
			what = "<-"
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				what = "<-"
			}
		}
		if what != "" {
			report(f.where(n), "%s says %s", p.dir, what)
		}
		return true
	})
}

func confined(p *pkg, f *file, report reporter) {
	for _, i := range f.syntax.Imports {
		name := importPath(i)
		if name == "C" {
			report(f.where(i), "cgo: racoon is built without a C compiler")
		}
		if !thirdParty(name) {
			continue
		}
		known := false
		for _, m := range modules {
			if name != m.path && !strings.HasPrefix(name, m.path+"/") {
				continue
			}
			known = true
			if !within(p.dir, m.dirs) {
				report(f.where(i), "%s imports %s (%s)", p.dir, name, m.why)
			}
		}
		if !known {
			report(f.where(i), "%s imports %s, of a module that is in no list", p.dir, name)
		}
	}
}

func noRegistration(p *pkg, f *file, report reporter) {
	for _, i := range f.syntax.Imports {
		if i.Name != nil && (i.Name.Name == "." || i.Name.Name == "_" && importPath(i) != "embed") {
			report(f.where(i), "%s imports %s as %s", p.dir, importPath(i), i.Name.Name)
		}
	}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			report(f.where(fn), "func init")
		}
	}
}

func fileLength(_ *pkg, f *file, report reporter) {
	if f.lines > maxLines {
		report(f.name, "%d lines", f.lines)
	}
}

func smallMain(p *pkg, f *file, report reporter) {
	limit := 0
	switch parts := strings.Split(p.dir, "/"); {
	case parts[0] == "cmd":
		limit = maxCmdLines
	case parts[0] == "plugins" && len(parts) == 2:
		limit = maxMainOf
	default:
		return
	}
	if f.lines > limit {
		report(f.name, "%d lines, allowed are %d", f.lines, limit)
	}
}

// readmeSections are the fixed ones of a plugin's README.
var readmeSections = []string{"Name", "Description", "Configuration", "Metrics", "Examples"}

func pluginDirectory(root fs.FS, pkgs []*pkg, report reporter) {
	dirs := make(map[string]bool)
	for _, p := range pkgs {
		if parts := strings.Split(p.dir, "/"); parts[0] == "plugins" && len(parts) > 1 {
			dirs[path.Join(parts[:2]...)] = true
		}
	}
	for _, dir := range sorted(dirs) {
		if _, err := fs.Stat(root, dir+"/main.go"); err != nil {
			report(dir, "no main.go")
		}
		text, err := fs.ReadFile(root, dir+"/README.md")
		if err != nil {
			report(dir, "no README.md")
			continue
		}
		var found []string
		for line := range strings.Lines(string(text)) {
			if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok && slices.Contains(readmeSections, title) {
				found = append(found, title)
			}
		}
		if !slices.Equal(found, readmeSections) {
			report(dir+"/README.md", "has the sections %q", found)
		}
	}
}

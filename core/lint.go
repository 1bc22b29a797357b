package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/lint"
)

// Exit statuses of what judges a configuration: lint and -t.
const (
	statusFine     = 0
	statusError    = 1 // it cannot be read or used
	statusFindings = 2 // usable, with at least one warning
)

const lintSynopsis = "[-f file] [--policy bsi|nist|modern]... [--format text|json|sarif] [--explain code]"

// lintFlags are the options of racoon lint.
type lintFlags struct {
	config   string
	policies []string
	format   string
	explain  string
	packs    []lint.Pack
}

func parseLintFlags(args []string) (*lintFlags, error) {
	f := &lintFlags{}
	fs := pflag.NewFlagSet(args[0], pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.StringVarP(&f.config, "file", "f", defaultConfig(), "")
	fs.StringSliceVar(&f.policies, "policy", []string{"modern"}, "")
	fs.StringVar(&f.format, "format", "text", "")
	fs.StringVar(&f.explain, "explain", "", "")
	if err := fs.Parse(args[1:]); err != nil {
		return f, err
	}
	switch {
	case fs.NArg() > 0:
		return f, noOption(fs.Arg(0))
	case f.config == "":
		return f, errors.New("-f names no file")
	case !slices.Contains(lint.Formats(), f.format):
		return f, fmt.Errorf("--format takes one of %s", strings.Join(lint.Formats(), ", "))
	}
	if len(f.policies) == 0 {
		f.policies = []string{""} // --policy "": not all of them
	}
	for i, name := range f.policies {
		p, ok := lint.Named(name)
		if !ok {
			return f, fmt.Errorf("--policy takes one of %s", strings.Join(packNames(), ", "))
		}
		if !slices.Contains(f.policies[:i], name) {
			f.packs = append(f.packs, p)
		}
	}
	return f, nil
}

func packNames() (names []string) {
	for _, p := range lint.Packs() {
		names = append(names, p.Name)
	}
	return names
}

// runLint is racoon lint.
func runLint(args []string, stdout, stderr io.Writer) int {
	f, err := parseLintFlags(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprintf(stdout, "usage: %s %s\n", args[0], lintSynopsis)
		return statusFine
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\nusage: %s %s\n", args[0], err, args[0], lintSynopsis)
		return statusError
	case f.explain != "":
		return explainCode(f.explain, args[0], stdout, stderr)
	}
	findings, failure := examine(context.Background(), f.config, f.packs)
	report := lint.Report{Tool: Version, File: f.config, Findings: findings}
	if failure == nil {
		for _, p := range f.packs {
			report.Policies = append(report.Policies, p.Name)
		}
	}
	if err := errors.Join(report.Write(stdout, f.format), failure); err != nil {
		return fail(stderr, args[0], err)
	}
	return verdict(findings)
}

// examine finds everything there is to say about a configuration: what the parser
// says, and if that is no error what each of the checks says.
func examine(ctx context.Context, file string, packs []lint.Pack) ([]config.Diagnostic, error) {
	loaded, diags, err := config.Load(file)
	if err != nil {
		if len(diags) == 0 { // a report without a finding would look like a good one
			diags = []config.Diagnostic{{Code: "RC0007", Severity: config.Error, File: file, What: err.Error()}}
		}
		return diags, err
	}
	diags = append(diags, checkKernel(loaded)...)
	for _, check := range []func(context.Context, *config.Loaded) ([]config.Diagnostic, error){
		against(packs),
		checkPlugins,
	} {
		more, err := check(ctx, loaded)
		diags = append(diags, more...)
		if err != nil {
			return diags, err
		}
	}
	lint.Sort(diags)
	return diags, nil
}

// against is the check of policy packs.
func against(packs []lint.Pack) func(context.Context, *config.Loaded) ([]config.Diagnostic, error) {
	return func(_ context.Context, loaded *config.Loaded) ([]config.Diagnostic, error) {
		return lint.Check(loaded.Policy, packs...), nil
	}
}

// verdict is the exit status for a configuration that could be read.
func verdict(diags []config.Diagnostic) int {
	switch {
	case config.Failed(diags):
		return statusError
	case slices.ContainsFunc(diags, func(d config.Diagnostic) bool { return d.Severity == config.Warning }):
		return statusFindings
	}
	return statusFine
}

func explainCode(code, name string, stdout, stderr io.Writer) int {
	e, ok := lint.Explain(strings.ToUpper(code))
	if !ok {
		return fail(stderr, name, fmt.Errorf("%q is no code of a finding", code))
	}
	fmt.Fprint(stdout, e.Text())
	return statusFine
}

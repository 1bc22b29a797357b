package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
)

const conformanceSynopsis = "[--kind kernel|auth|log] [--config file] [--run regexp] [--traffic] [--flush] [--volatile] [-v] executable"

func pluginCommands() []subcommand {
	return []subcommand{{name: "conformance", synopsis: conformanceSynopsis, run: runConformance,
		about: "hold a plugin against the contract; changes the kernel's SAs and policies"}}
}

// conformance is one run of the checks that plugins are tested with.
type conformance struct {
	kind, config, path     string
	only                   *regexp.Regexp
	traffic, flush, mortal bool
	verbose                bool
}

func parseConformance(args []string) (*conformance, error) {
	c := &conformance{}
	fs := pflag.NewFlagSet(args[0], pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.StringVar(&c.kind, "kind", pluginhost.KindKernel, "")
	fs.StringVar(&c.config, "config", "", "")
	only := fs.String("run", "", "")
	fs.BoolVar(&c.traffic, "traffic", false, "")
	fs.BoolVar(&c.flush, "flush", false, "")
	fs.BoolVar(&c.mortal, "volatile", false, "")
	fs.BoolVarP(&c.verbose, "verbose", "v", false, "")
	err := fs.Parse(args[1:])
	if err != nil {
		return c, err
	}
	if c.only, err = regexp.Compile(*only); err != nil {
		return c, fmt.Errorf("--run: %w", err)
	}
	switch {
	case fs.NArg() != 1:
		return c, errors.New("name one executable")
	case c.kind != pluginhost.KindKernel && c.kind != pluginhost.KindAuth && c.kind != pluginhost.KindLog:
		return c, errors.New("--kind takes one of kernel, auth, log")
	case c.kind != pluginhost.KindKernel && (c.traffic || c.flush || c.mortal):
		return c, errors.New("--traffic, --flush and --volatile are about kernels")
	}
	c.path, err = filepath.Abs(fs.Arg(0))
	return c, err
}

// runConformance is racoon plugin conformance.
func runConformance(args []string, stdout, stderr io.Writer) int {
	c, err := parseConformance(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprintf(stdout, "usage: %s %s\n", args[0], conformanceSynopsis)
		return statusFine
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\nusage: %s %s\n", args[0], err, args[0], conformanceSynopsis)
		return statusError
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	subject, err := c.subject(ctx, stdout)
	if err != nil {
		return fail(stderr, args[0], err)
	}
	if c.kind == pluginhost.KindKernel {
		fmt.Fprintf(stderr, "%s: this changes the SAD and the SPD of this machine's kernel, between the addresses that are for documentation "+
			"(192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32) alone%s\n", args[0], map[bool]string{true: "; and flushes them"}[c.flush])
	}
	if c.verbose {
		subject.Log = stderr
	}
	return c.report(ctx, c.checks(subject), stdout)
}

// subject is the plugin, which has told what it is and taken its configuration.
func (c *conformance) subject(ctx context.Context, stdout io.Writer) (plugintest.Subject, error) {
	s := plugintest.Subject{Path: c.path}
	text := []byte{}
	if c.config != "" {
		var err error
		if text, err = os.ReadFile(c.config); err != nil {
			return s, err
		}
	}
	spec, err := config.PluginFile(c.kind, "subject", c.config, string(text))
	if err != nil {
		return s, err
	}
	s.Env = environment(spec)
	dir, err := os.MkdirTemp(shortTempDir(), "racoon")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	host, err := pluginhost.New(pluginhost.Options{RunDir: dir, HostVersion: Version})
	if err != nil {
		return s, err
	}
	defer host.Close(context.WithoutCancel(ctx))
	told, err := host.Describe(ctx, pluginhost.Spec{Kind: c.kind, Name: "subject", Path: c.path, Env: s.Env})
	if err != nil {
		return s, err
	}
	decoded, err := spec.Decode(told.Schema)
	if err != nil {
		return s, err
	}
	s.Config = string(decoded)
	fmt.Fprintf(stdout, "%s plugin %s, version %s, of %s\n", c.kind, told.Info.Name, told.Info.Version, told.Info.Vendor)
	return s, nil
}

func (c *conformance) checks(s plugintest.Subject) []plugintest.Check {
	switch c.kind {
	case pluginhost.KindAuth:
		return plugintest.AuthChecks(s, plugintest.AuthWant{})
	case pluginhost.KindLog:
		return plugintest.LogChecks(s, plugintest.LogWant{})
	}
	want := plugintest.KernelWant{Exclusive: c.flush, Volatile: c.mortal}
	if c.traffic {
		want.Send = plugintest.SendUDP
	}
	return plugintest.KernelChecks(s, want)
}

// report runs the checks and prints a line for each, and how it went.
func (c *conformance) report(ctx context.Context, checks []plugintest.Check, w io.Writer) int {
	count, noESP := map[string]int{}, 0
	for _, check := range checks {
		if !c.only.MatchString(check.Name) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		verdict, detail := judge(check.Run(ctx))
		count[verdict]++
		if detail == plugintest.NoESP {
			noESP++
		}
		fmt.Fprintf(w, "%-4s  %s", verdict, check.Name)
		if c.verbose {
			fmt.Fprintf(w, " (%v)", time.Since(began).Round(time.Millisecond))
		}
		fmt.Fprintln(w)
		if detail != "" {
			fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(detail, "\n", "\n      "))
		}
	}
	ran := count["ok"] + count["FAIL"] + count["skip"]
	fmt.Fprintf(w, "%d checks: %d ok, %d failed, %d skipped\n", ran, count["ok"], count["FAIL"], count["skip"])
	if noESP > 0 {
		fmt.Fprintf(w, "this kernel has no ESP, says the plugin, so that %d checks of SAs wait for one that has: "+
			"load it (on Linux modprobe esp4 esp6) or run this on another kernel\n", noESP)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(w, "interrupted")
		return statusError
	case count["FAIL"] > 0 || count["ok"] == 0:
		return statusError
	}
	return statusFine
}

func judge(err error) (verdict, detail string) {
	var skipped *plugintest.Skipped
	switch {
	case err == nil:
		return "ok", ""
	case errors.As(err, &skipped):
		return "skip", skipped.Why
	}
	return "FAIL", err.Error()
}

// Package core is the doors of the house: what the commands call. Everything
// behind it is internal.
//
//	os.Exit(core.Main(os.Args, os.Stdout, os.Stderr))
package core

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/lint"
)

// Version is set by the linker.
var Version = "unknown"

// Main is racoon(8). It returns the exit status: 0 after a normal end, -V, a -t
// without findings, and in the first process once the daemon is up; 2 after a -t with
// warnings; 1 otherwise. Subcommands have statuses of their own.
func Main(args []string, stdout, stderr io.Writer) int {
	if status, ok := dispatch(subcommands(), args, stdout, stderr); ok {
		return status
	}
	f, err := parseFlags(args)
	if errors.Is(err, pflag.ErrHelp) {
		usage(stdout, f.name)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nusage: %s %s (%[1]s -h says more)\n", f.name, err, f.name, synopsis)
		return 1
	}
	if f.foreground {
		fmt.Fprintln(stdout, "Foreground mode.")
	}
	switch {
	case f.version:
		fmt.Fprintf(stdout, "racoon %s (%s, %s/%s)\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return 0
	case f.check:
		return check(f, stdout, stderr)
	case os.Geteuid() != 0:
		return fail(stderr, f.name, errors.New("must be root to invoke this program: it opens port 500 and configures the kernel (-t checks a configuration without)"))
	}
	unix.Umask(0o077)
	if err := f.absolute(); err != nil {
		return fail(stderr, f.name, err)
	}
	back, err := inBackground()
	if err != nil {
		return fail(stderr, f.name, err)
	}
	loaded, diags, err := config.Load(f.config)
	if err != nil {
		show(stderr, diags, config.Error)
		return fail(stderr, f.name, fmt.Errorf("failed to parse configuration file: %w", err))
	}
	if f.restore && loaded.Policy.Paths.BackupSA == "" {
		return fail(stderr, f.name, errors.New(`-B: nothing says where the SAs were saved: write path backupsa "FILE";`))
	}
	if !f.foreground && back == nil {
		return detach(f.name, args, stdout, stderr)
	}
	if err := serve(f, loaded, diags, back, stdout, stderr); err != nil {
		return fail(stderr, f.name, err)
	}
	return 0
}

// check is -t: everything that can be said about a configuration without root, the
// kernel or the network.
func check(f *flags, stdout, stderr io.Writer) int {
	loaded, diags, err := config.Load(f.config)
	if err == nil {
		diags = append(diags, checkKernel(loaded)...)
		lint.Sort(diags)
	}
	show(stderr, diags, config.Note)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", f.name, err)
		fmt.Fprintf(stderr, "%s: configuration file %q test failed\n", f.name, f.config)
		return statusError
	}
	fmt.Fprintf(stdout, "%s: configuration file %q syntax is ok\n", f.name, f.config)
	status, with := verdict(diags), ""
	if status == statusFindings {
		with = ", with findings"
	}
	fmt.Fprintf(stdout, "%s: configuration file %q test is successful%s\n", f.name, f.config, with)
	return status
}

// show prints diagnostics down to a severity.
func show(w io.Writer, diags []config.Diagnostic, least config.Severity) {
	for _, d := range diags {
		if d.Severity <= least {
			fmt.Fprint(w, d.Text())
		}
	}
}

// absolute makes the paths of the command line independent of the directory, which
// the daemon leaves.
func (f *flags) absolute() error {
	for _, p := range []*string{&f.config, &f.logFile} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("find %s: %w", *p, err)
		}
		*p = abs
	}
	return nil
}

// fail prints why we end, and is the exit status for it.
func fail(stderr io.Writer, name string, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}

//go:build linux

// Command lab runs the scenarios of lab/scenarios: two gateways on a real
// kernel with real peers, in User-Mode Linux. See lab/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/lab/internal/guest"
	"github.com/racoon-ike/racoon/lab/internal/host"
	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

const usage = `usage: lab run  [-tags T,T] [-run REGEXP] [-kernel BACKEND] [-j N] [-v]
       lab list [-tags T,T] [-run REGEXP] [-kernel BACKEND]
       lab demo
`

func main() {
	if os.Getpid() == 1 {
		guest.Init()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no command; " + strings.TrimSpace(usage))
	}
	if args[0] == "guest" {
		return guest.Run()
	}
	var c cli
	flags := flag.NewFlagSet("lab "+args[0], flag.ContinueOnError)
	flags.StringVar(&c.tags, "tags", "", "only scenarios with one of these `tags`, separated by commas; !T for those without T")
	flags.StringVar(&c.match, "run", "", "only scenarios whose name matches `regexp`")
	flags.StringVar(&c.kernel, "kernel", "", "every racoon's kernel `back end`, xfrm or pfkey")
	flags.IntVar(&c.guests, "j", 1, "`guests` to boot at once")
	flags.BoolVar(&c.verbose, "v", false, "print every step and keep the logs of scenarios that pass")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q?\n%s", flags.Arg(0), usage)
	}
	if c.kernel != "" && c.kernel != scenario.XFRM && c.kernel != scenario.PFKey {
		return fmt.Errorf("-kernel %s: there is %s and %s", c.kernel, scenario.XFRM, scenario.PFKey)
	}
	var err error
	if c.repo, err = repository(); err != nil {
		return err
	}
	switch args[0] {
	case "run":
		return c.run(ctx)
	case "list":
		return c.list()
	case "demo":
		return c.demo(ctx)
	}
	return fmt.Errorf("no command %q\n%s", args[0], usage)
}

type cli struct {
	repo, tags, match, kernel string
	guests                    int
	verbose                   bool
}

// repository is the directory above the working directory that has our go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "lab", "scenarios")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not inside the repository", dir)
		}
	}
}

// soak is the tag of what takes many minutes: it is run only if asked for.
const soak = "soak"

// chosen scenarios. Choosing none is an error: a run of nothing proves nothing.
func (c *cli) chosen() ([]*scenario.Scenario, error) {
	all, err := scenario.LoadAll(filepath.Join(c.repo, "lab", "scenarios"))
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(c.match)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	var some []*scenario.Scenario
	for _, s := range all {
		if !wanted(s, c.tags) || !re.MatchString(s.Name) {
			continue
		}
		if c.kernel != "" {
			if !s.Needs("racoon") {
				continue
			}
			if why := s.UseKernel(c.kernel); why != "" {
				fmt.Fprintf(os.Stderr, "not with kernel-%s: %s: %s\n", c.kernel, s.Name, why)
				continue
			}
		}
		some = append(some, s)
	}
	if len(some) == 0 {
		return nil, errors.New("no scenario has such a tag and name")
	}
	return some, nil
}

// wanted reports whether tags, as -tags has them, choose s.
func wanted(s *scenario.Scenario, tags string) bool {
	var with, without []string
	for _, t := range strings.Split(tags, ",") {
		if not, found := strings.CutPrefix(t, "!"); found {
			without = append(without, not)
		} else if t != "" {
			with = append(with, t)
		}
	}
	if with == nil {
		return !s.Has(append(without, soak))
	}
	return s.Has(with) && !s.Has(without)
}

func (c *cli) list() error {
	some, err := c.chosen()
	if err != nil {
		return err
	}
	for _, s := range some {
		fmt.Printf("%-80s %-10s %s\n", s.Name, strings.Join(s.Tags, ","), s.Description)
	}
	return nil
}

func (c *cli) run(ctx context.Context) error {
	some, err := c.chosen()
	if err != nil {
		return err
	}
	p := report.NewPrinter(os.Stdout, c.verbose)
	return c.play(ctx, some, p.Event, p.Summary)
}

// play runs scenarios, keeps the logs of those that failed, and fails if any did.
func (c *cli) play(ctx context.Context, some []*scenario.Scenario, event func(report.Event), summary func(report.Totals)) error {
	if err := c.binaries(some); err != nil {
		return err
	}
	work, err := c.workDir()
	if err != nil {
		return err
	}
	began := time.Now()
	results, err := host.Run(ctx, host.Options{Repo: c.repo, Work: work, Guests: min(c.guests, len(some)), Kernel: c.kernel, Report: event}, some)
	totals := report.Totals{NotRun: len(some) - len(results), Took: time.Since(began)}
	for _, r := range results {
		if len(r.Failures) > 0 {
			totals.Failed++
		} else {
			totals.Passed++
		}
	}
	summary(totals)
	if err != nil || totals.Passed != len(some) {
		return errors.Join(err, fmt.Errorf("not all scenarios passed; logs and captures: %s", filepath.Join(work, guest.Results)))
	}
	if !c.verbose {
		return os.RemoveAll(work)
	}
	fmt.Println("logs and captures:", filepath.Join(work, guest.Results))
	return nil
}

// workDir of this run. Runs at the same time do not meet; the directories of
// runs that failed stay until "make clean".
func (c *cli) workDir() (string, error) {
	parent := filepath.Join(c.repo, "build", "lab-runs")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, time.Now().Format("20060102-150405-"))
}

// binaries that the scenarios need must be there before a guest is booted.
func (c *cli) binaries(some []*scenario.Scenario) error {
	for _, s := range some {
		if !s.Needs("racoon") {
			continue
		}
		for _, f := range []string{"racoon", "racoonctl"} {
			if _, err := os.Stat(filepath.Join(c.repo, "build", "sbin", f)); err != nil {
				return fmt.Errorf("%w (build it first)", err)
			}
		}
		break
	}
	return nil
}

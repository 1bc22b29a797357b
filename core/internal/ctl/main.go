// Package ctl is racoonctl: it turns words into requests of core/control and
// answers into text. It knows nothing of the daemon but its control socket.
package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// patience bounds a request unless -t says otherwise: longer than the daemon's own
// timers, so that it is a dead daemon that is given up.
const patience = 2 * time.Minute

// command is one sub-command.
type command struct {
	name, short string
	args        string
	help        string
	flags       func(*session, *flag.FlagSet)
	run         func(context.Context, *session, []string) error
	endless     bool // runs until interrupted
}

func commands() []command {
	return []command{
		{name: "show-sa", short: "ss", args: "[-l] [all|isakmp|ipsec|esp|ah] [REMOTE]", help: "list SAs; -l says more of each",
			flags: func(s *session, f *flag.FlagSet) { f.BoolVar(&s.long, "l", false, "") }, run: showSA},
		{name: "establish-sa", short: "es", args: "[-n SECTION] " + establishUsage, help: "bring SAs up and wait until they are; -n chooses the remote section",
			flags: establishFlags, run: establishSA},
		{name: "delete-sa", short: "ds", args: deleteUsage, help: "delete SAs and tell the peer", run: deleteSA},
		{name: "reload-config", short: "rc", args: "[-n]", help: "read the configuration again; -n says what that would change and does nothing",
			flags: func(s *session, f *flag.FlagSet) { f.BoolVar(&s.dry, "n", false, "") }, run: reloadConfig},
		{name: "monitor", short: "se", help: "print what happens, until interrupted", run: monitor, endless: true},
		{name: "show-event", help: "monitor's old name", run: monitor, endless: true},
		{name: "version", help: "ask the daemon for its version", run: version},
	}
}

const (
	sasUsage       = "isakmp [inet|inet6] LOCAL REMOTE | {esp|ah} [inet|inet6] END END PROTO"
	establishUsage = "REMOTE | " + sasUsage
	deleteUsage    = "all REMOTE | " + sasUsage + " | spi SPI"
)

// session is one run of the program.
type session struct {
	client  *control.Client
	out     io.Writer
	socket  string
	json    bool
	long    bool
	dry     bool
	section string
	user    string
	timeout time.Duration
}

// usageError is a command line that makes no sense.
type usageError struct{ msg string }

func (e usageError) Error() string { return e.msg }

func wrong(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// Main runs racoonctl with the words after its name and returns the exit status:
// 0 if what was asked for is so, 1 if not, 2 for a command line that makes no sense.
func Main(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	s := &session{out: stdout}
	err := s.main(args)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		printUsage(stdout)
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "racoonctl: %v (racoonctl -h shows the commands)\n", err)
		return exitUsage
	}
	e := errs.From(err)
	if s.json {
		s.print(map[string]any{"error": map[string]string{"reason": string(e.Reason), "message": e.Msg}})
	}
	fmt.Fprintf(stderr, "racoonctl: %s\n", e.Msg)
	return exitFailed
}

func (s *session) main(args []string) error {
	global := s.flags()
	rest, err := parse(global, args, 1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return wrong("no command")
	}
	var cmd *command
	for _, c := range commands() {
		if rest[0] == c.name || rest[0] == c.short {
			cmd = &c
			break
		}
	}
	if cmd == nil {
		return wrong("unknown command %q", rest[0])
	}
	own := s.flags()
	if cmd.flags != nil {
		cmd.flags(s, own)
	}
	if rest, err = parse(own, rest[1:], -1); err != nil {
		return fmt.Errorf("%s: %w", cmd.name, err)
	}
	if cmd.args == "" && len(rest) > 0 {
		return wrong("%s takes no words, not %q", cmd.name, rest[0])
	}
	ctx := context.Background()
	if !cmd.endless {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	return cmd.run(ctx, s, rest)
}

// flags are those every command takes, before and after its name.
func (s *session) flags() *flag.FlagSet {
	f := flag.NewFlagSet("racoonctl", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&s.json, "j", s.json, "")
	f.StringVar(&s.socket, "s", orElse(s.socket, defaultSocket()), "")
	f.DurationVar(&s.timeout, "t", orElse(s.timeout, patience), "")
	return f
}

// defaultSocket is the one of a daemon with the same environment, as racoon(8) tells.
func defaultSocket() string {
	if dir := os.Getenv("RACOON_RUNDIR"); dir != "" {
		return filepath.Join(dir, filepath.Base(control.DefaultSocket))
	}
	return control.DefaultSocket
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// parse separates flags from words, wherever the flags stand, up to the first
// limit words; -1 is no limit.
func parse(f *flag.FlagSet, args []string, limit int) (words []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err.Error()}
		}
		args = f.Args()
		if len(args) == 0 || len(words) == limit-1 && limit > 0 {
			return append(words, args...), nil
		}
		words, args = append(words, args[0]), args[1:]
	}
}

// dial connects to the daemon: after the command line has been found right.
func (s *session) dial() (err error) {
	s.client, err = control.Dial(s.socket)
	return err
}

func (s *session) print(v any) {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // a closed stdout ends the program by its signal
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "usage: racoonctl [-j] [-s SOCKET] [-t TIMEOUT] COMMAND ...\n\n")
	for _, c := range commands() {
		names := c.name
		if c.short != "" {
			names += ", " + c.short
		}
		if c.args != "" {
			names += "  " + c.args
		}
		fmt.Fprintf(w, "  %s\n      %s\n", names, c.help)
	}
	fmt.Fprintf(w, `
  END         an end of the traffic, ours first: ADDRESS[/LENGTH[/PORT]]
  PROTO       its protocol: any, icmp, tcp, ... or a number

  -j          JSON instead of text
  -s SOCKET   the daemon's control socket (%s)
  -t TIMEOUT  give up after this time (%v)
`, defaultSocket(), patience)
}

package setkey

import (
	"errors"
	"fmt"
	"strings"
)

// Mode is what the program shall do.
type Mode uint8

const (
	NoMode       Mode = iota
	FromStdin         // -c
	FromFile          // -f
	DumpAll           // -D
	FlushAll          // -F
	WatchAll          // -x
	PrintVersion      // -V
	PrintUsage        // -h, -?
)

// Options are those of the command line.
type Options struct {
	Mode     Mode
	File     string // of -f, "-" is standard input
	Policies bool   // -P
	Dead     bool   // -a
	Ports    bool   // -p
	Short    bool   // -l
	DryRun   bool   // -n
	Verbose  bool   // -v
	Epoch    bool   // -xx
	Hex      bool   // -H: there are no messages to show in hexadecimal
	Literal  bool   // -k: no second policy for forwarded packets; -r takes it back
	Config   string // -C: the racoon.conf whose kernel plugin is used
	Plugin   string // -K: that kernel plugin
}

// ErrUsage is a command line that makes no sense.
var ErrUsage = errors.New("usage")

// ParseOptions reads the arguments behind the program's name. Options may be
// written together; of several modes the last counts.
func ParseOptions(args []string) (o Options, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" || arg == "" || arg[0] != '-' || arg == "-" {
			if arg == "--" {
				i++
			}
			if i < len(args) {
				return o, fmt.Errorf("%s: files of PF_KEY messages cannot be printed; commands are read with -f FILE", args[i])
			}
			break
		}
		for at := 1; at < len(arg); at++ {
			c := arg[at]
			if !strings.ContainsRune("fCK", rune(c)) {
				if err := o.set(c); err != nil {
					return o, err
				}
				continue
			}
			value := arg[at+1:]
			if value == "" {
				if i++; i == len(args) {
					return o, fmt.Errorf("-%c wants a word behind it: %w", c, ErrUsage)
				}
				value = args[i]
			}
			switch c {
			case 'f':
				o.Mode, o.File = FromFile, value
			case 'C':
				o.Config = value
			default:
				o.Plugin = value
			}
			break
		}
	}
	switch {
	case o.Mode == NoMode:
		return o, ErrUsage
	case o.DryRun && o.Mode != FromFile && o.Mode != FromStdin:
		return o, fmt.Errorf("-n is for -f and -c: %w", ErrUsage)
	case o.Short && (o.Mode != DumpAll || o.Policies):
		return o, fmt.Errorf("-l is for -D: %w", ErrUsage)
	}
	return o, nil
}

func (o *Options) set(c byte) error {
	modes := map[byte]Mode{'c': FromStdin, 'D': DumpAll, 'F': FlushAll, 'V': PrintVersion, 'h': PrintUsage, '?': PrintUsage}
	flags := map[byte]*bool{'P': &o.Policies, 'a': &o.Dead, 'p': &o.Ports, 'l': &o.Short, 'n': &o.DryRun, 'v': &o.Verbose,
		'k': &o.Literal, 'H': &o.Hex}
	switch mode, flag := modes[c], flags[c]; {
	case mode != NoMode:
		o.Mode = mode
	case flag != nil:
		*flag = true
	case c == 'x':
		o.Epoch = o.Mode == WatchAll
		o.Mode = WatchAll
	case c == 'r':
		o.Literal = false
	case c == 'N': // no backend shows the policies of sockets
	default:
		return fmt.Errorf("option -%c is unknown: %w", c, ErrUsage)
	}
	return nil
}

// Usage is what -h prints.
func Usage(name string) string {
	return strings.ReplaceAll(`usage: NAME [-nrkv] [-C CONFIG | -K PLUGIN] -c
       NAME [-nrkv] [-C CONFIG | -K PLUGIN] -f FILE
       NAME [-aPpv] [-C CONFIG | -K PLUGIN] -D
       NAME [-a] [-C CONFIG | -K PLUGIN] -Dl
       NAME [-Pv] [-C CONFIG | -K PLUGIN] -F
       NAME [-C CONFIG | -K PLUGIN] -x[x]
       NAME -V | -h
`, "NAME", name)
}

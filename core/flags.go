package core

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// DefaultConfig is the configuration file without -f; where there is none, its
// namesake in HCL.
const DefaultConfig = "/etc/racoon/racoon.conf"

func defaultConfig() string {
	for _, name := range configFiles {
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
	return DefaultConfig
}

// configFiles are looked for in this order.
var configFiles = []string{DefaultConfig, "/etc/racoon/racoon.hcl"}

// flags are the options of racoon(8).
type flags struct {
	name       string // last component of argv[0], for messages
	config     string
	foreground bool
	debug      int
	verbose    bool
	locations  bool
	logFile    string
	port, natt uint16
	v4, v6     bool
	restore    bool
	check      bool
	dump       bool
	version    bool
}

const synopsis = "[-46BCdFLtvV] [-f file] [-l file] [-p port] [-P port]"

const usageText = `usage: %s %s
  -4, -6     listen on addresses of this family only, unless the configuration lists some
  -B         install the SAs of the file that "path backupsa" names
  -C         log the remote sections after reading the configuration
  -d         log more; may be repeated
  -F         stay in the foreground and log to standard output
  -f file    configuration file (%s, or racoon.hcl beside it)
  -L         log the place in the program of each message
  -l file    log to this file instead of syslog
  -p port    ISAKMP port (500)
  -P port    NAT traversal port (4500)
  -t         check the configuration and exit
  -v         describe the payloads of each message when debugging
  -V         print the version and exit
  -h         print this and exit
`

func usage(w io.Writer, name string) {
	fmt.Fprintf(w, usageText+"\n", name, synopsis, DefaultConfig)
	listSubcommands(w, name, subcommands())
}

// noOption is the error for a word where options are expected: most often the file.
func noOption(word string) error {
	if strings.ContainsAny(word, "./") {
		return fmt.Errorf("%q is no option: write -f %s for a file", word, word)
	}
	return fmt.Errorf("%q is no option", word)
}

// parseFlags reads the command line as getopt does: options cluster (-Fdd), and a
// value may be attached (-l/tmp/log). The letters are the interface; their long
// names are for pflag.
func parseFlags(args []string) (*flags, error) {
	f := &flags{name: "racoon"}
	if len(args) > 0 {
		f.name, args = filepath.Base(args[0]), args[1:]
	}
	set := pflag.NewFlagSet(f.name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	set.BoolVarP(&f.v4, "ipv4", "4", false, "")
	set.BoolVarP(&f.v6, "ipv6", "6", false, "")
	set.BoolVarP(&f.restore, "restore", "B", false, "")
	set.BoolVarP(&f.dump, "dump-config", "C", false, "")
	set.CountVarP(&f.debug, "debug", "d", "")
	set.BoolVarP(&f.foreground, "foreground", "F", false, "")
	set.StringVarP(&f.config, "config", "f", defaultConfig(), "")
	set.BoolVarP(&f.locations, "locations", "L", false, "")
	set.StringVarP(&f.logFile, "log-file", "l", "", "")
	port := set.Uint32P("port", "p", 500, "")
	natt := set.Uint32P("natt-port", "P", 4500, "")
	set.BoolVarP(&f.check, "check", "t", false, "")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "")
	set.BoolVarP(&f.version, "version", "V", false, "")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	switch {
	case set.NArg() > 0:
		return f, noOption(set.Arg(0))
	case *port == 0 || *port > 65535 || *natt == 0 || *natt > 65535:
		return f, fmt.Errorf("-p and -P take ports from 1 to 65535")
	case *port == *natt:
		return f, fmt.Errorf("-p and -P name the same port %d", *port)
	case f.config == "":
		return f, fmt.Errorf("-f names no file")
	}
	f.port, f.natt = uint16(*port), uint16(*natt)
	return f, nil
}

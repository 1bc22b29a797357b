package core

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/pflag"
)

// DefaultConfig is the configuration file without -f.
const DefaultConfig = "/etc/racoon/racoon.conf"

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

const usageText = `usage: %s [-46BCdFLtvV] [-f file] [-l file] [-p port] [-P port]
  -4, -6     listen on addresses of this family only, unless the configuration lists some
  -B         install the SAs of the file that "path backupsa" names (not yet)
  -C         log the remote sections after reading the configuration
  -d         log more; may be repeated
  -F         stay in the foreground and log to standard output
  -f file    configuration file (%s)
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
	fmt.Fprintf(w, usageText+"\n", name, DefaultConfig)
	listSubcommands(w, name, subcommands())
}

// parseFlags reads the command line as getopt does: options cluster (-Fdd), and a
// value may be attached (-l/tmp/log). The letters are the interface; their long
// names are for pflag.
func parseFlags(args []string) (*flags, error) {
	f := &flags{name: "racoon"}
	if len(args) > 0 {
		f.name, args = filepath.Base(args[0]), args[1:]
	}
	fs := pflag.NewFlagSet(f.name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.BoolVarP(&f.v4, "ipv4", "4", false, "")
	fs.BoolVarP(&f.v6, "ipv6", "6", false, "")
	fs.BoolVarP(&f.restore, "restore", "B", false, "")
	fs.BoolVarP(&f.dump, "dump-config", "C", false, "")
	fs.CountVarP(&f.debug, "debug", "d", "")
	fs.BoolVarP(&f.foreground, "foreground", "F", false, "")
	fs.StringVarP(&f.config, "config", "f", DefaultConfig, "")
	fs.BoolVarP(&f.locations, "locations", "L", false, "")
	fs.StringVarP(&f.logFile, "log-file", "l", "", "")
	port := fs.Uint32P("port", "p", 500, "")
	natt := fs.Uint32P("natt-port", "P", 4500, "")
	fs.BoolVarP(&f.check, "check", "t", false, "")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "")
	fs.BoolVarP(&f.version, "version", "V", false, "")
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	switch {
	case fs.NArg() > 0:
		return f, fmt.Errorf("%q is no option", fs.Arg(0))
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

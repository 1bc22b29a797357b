package core

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// subcommand is a word behind racoon's name that does something else than to start
// the daemon. It has a run, or words of its own. Nothing here but
// plugin conformance needs root, the kernel or a socket.
type subcommand struct {
	name     string
	synopsis string                                            // options and arguments
	about    string                                            // what it does, for -h
	run      func(args []string, stdout, stderr io.Writer) int // args[0] = "racoon NAME", for messages
	words    []subcommand
}

// subcommands are all there are. The options of racoon(8) are not theirs.
func subcommands() []subcommand {
	return []subcommand{
		{name: "config", words: configCommands()},
		{name: "plugin", words: pluginCommands()},
		{name: "lint", synopsis: lintSynopsis, about: "hold the configuration against recommendations", run: runLint},
	}
}

// dispatch runs the command args name, if they name one: args[0] is the program.
func dispatch(table []subcommand, args []string, stdout, stderr io.Writer) (status int, ok bool) {
	if len(args) < 2 {
		return 0, false
	}
	for _, c := range table {
		if c.name != args[1] {
			continue
		}
		name := filepath.Base(args[0]) + " " + c.name
		args = append([]string{name}, args[2:]...)
		if c.run != nil {
			return c.run(args, stdout, stderr), true
		}
		if status, ok := dispatch(c.words, args, stdout, stderr); ok {
			return status, true
		}
		w, status := stderr, statusError
		switch {
		case len(args) == 1:
		case args[1] == "-h" || args[1] == "--help":
			w, status = stdout, statusFine
		default:
			fmt.Fprintf(w, "%s: there is no command %q\n", args[0], args[1])
		}
		fmt.Fprintf(w, "usage:\n")
		listSubcommands(w, args[0], c.words)
		return status, true
	}
	return 0, false
}

// listSubcommands is their part of the usage text.
func listSubcommands(w io.Writer, name string, table []subcommand) {
	for _, c := range table {
		if c.run == nil {
			listSubcommands(w, name+" "+c.name, c.words)
			continue
		}
		fmt.Fprintf(w, "  %s\n             %s\n", strings.TrimSpace(name+" "+c.name+" "+c.synopsis), c.about)
	}
}

package core

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestDispatch: words, words of words, and what is left to racoon's own options.
func TestDispatch(t *testing.T) {
	say := func(args []string, stdout, _ io.Writer) int {
		fmt.Fprint(stdout, strings.Join(args, "|"))
		return 7
	}
	table := []subcommand{
		{name: "lint", synopsis: "[-f file]", about: "judges", run: say},
		{name: "config", words: []subcommand{{name: "show", synopsis: "[-f file]", about: "shows", run: say}}},
	}
	const usage = "usage:\n  racoon config show [-f file]\n             shows\n"
	for _, c := range []struct {
		args           string
		ok             bool
		status         int
		stdout, stderr string
	}{
		{"racoon", false, 0, "", ""},
		{"racoon -t", false, 0, "", ""},
		{"racoon stop", false, 0, "", ""},
		{"racoon -t lint", false, 0, "", ""},
		{"/usr/sbin/racoon lint", true, 7, "racoon lint", ""},
		{"racoon lint -f x", true, 7, "racoon lint|-f|x", ""},
		{"/usr/sbin/racoon config show -f x", true, 7, "racoon config show|-f|x", ""},
		{"racoon config", true, 1, "", usage},
		{"racoon config -h", true, 0, usage, ""},
		{"racoon config edit", true, 1, "", "racoon config: there is no command \"edit\"\n" + usage},
	} {
		var stdout, stderr bytes.Buffer
		status, ok := dispatch(table, strings.Fields(c.args), &stdout, &stderr)
		if status != c.status || ok != c.ok || stdout.String() != c.stdout || stderr.String() != c.stderr {
			t.Errorf("%s: %d, %v, %q, %q", c.args, status, ok, stdout.String(), stderr.String())
		}
	}
}

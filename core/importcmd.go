package core

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/swanctl"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

const importSynopsis = "[-o DIR] [--force] SWANCTL.CONF"

// errLeftOut is the end of an import that could not carry everything over.
var errLeftOut = errors.New("not everything was carried over, see above")

// configImport translates the IKEv1 connections of a swanctl.conf: racoon.conf to
// standard output, or with -o racoon.conf, psk.txt and policies.conf into a
// directory.
func configImport(args []string, stdout, stderr io.Writer) error {
	flags := configFlags()
	dir := flags.StringP("output", "o", "", "")
	force := flags.Bool("force", false, "")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() != 1 {
		return usageError{errors.New("name one swanctl.conf")}
	}
	name := flags.Arg(0)
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	r := swanctl.Import(name, text, os.ReadFile)
	for _, n := range r.Notes {
		fmt.Fprintln(stderr, n)
	}
	switch {
	case r.Conf == "":
		return fmt.Errorf("%s holds nothing that could be carried over", name)
	case *dir == "":
		err = printImport(r, stdout, stderr)
	default:
		err = writeImport(r, *dir, *force)
	}
	if err == nil && r.Failed() {
		err = errLeftOut
	}
	return err
}

func printImport(r swanctl.Result, stdout, stderr io.Writer) error {
	text := r.Conf
	if r.Policies != "" {
		text += "\n# The policies, for setkey(8):\n# " + strings.ReplaceAll(strings.TrimSpace(r.Policies), "\n", "\n# ") + "\n"
	}
	switch n := len(r.PSK); n {
	case 0:
	case 1:
		fmt.Fprintln(stderr, "1 key is not shown: -o DIR writes it to DIR/psk.txt")
	default:
		fmt.Fprintf(stderr, "%d keys are not shown: -o DIR writes them to DIR/psk.txt\n", n)
	}
	_, err := io.WriteString(stdout, text)
	return err
}

func writeImport(r swanctl.Result, dir string, force bool) error {
	files := map[string]secret.Bytes{filepath.Join(dir, "racoon.conf"): secret.New([]byte(r.Conf))}
	if r.Policies != "" {
		files[filepath.Join(dir, "policies.conf")] = secret.New([]byte(r.Policies))
	}
	var keys []byte
	for _, k := range r.PSK {
		keys = append(append(append(keys, k.ID+" "...), k.Secret.Reveal()...), '\n')
		k.Secret.Zero()
	}
	if len(keys) > 0 {
		files[filepath.Join(dir, "psk.txt")] = secret.New(keys)
	}
	return writeFiles(files, force)
}

package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// The subcommands of "racoon config".
const (
	showSynopsis    = "[-f FILE] [--format classic|hcl|json] [REMOTE...]"
	convertSynopsis = "[-o FILE] [--to classic|hcl] [--secrets DIR] [--legacy-until YYYY-MM-DD] [--force] [FILE]"
)

// configCommands are the words behind "racoon config".
func configCommands() []subcommand {
	return []subcommand{
		{name: "show", synopsis: showSynopsis, about: "print what the configuration means: everything expanded, defaults filled in", run: command(showSynopsis, configShow)},
		{name: "convert", synopsis: convertSynopsis, about: "print a configuration file in the other language", run: command(convertSynopsis, configConvert)},
		{name: "import", synopsis: importSynopsis, about: "print the IKEv1 connections of strongSwan's swanctl.conf as racoon.conf", run: command(importSynopsis, configImport)},
		{name: "profiles", about: "print the names of the profiles", run: command("", func(args []string, stdout, _ io.Writer) error {
			flags := configFlags()
			if err := flags.Parse(args); err != nil {
				return usageError{err}
			}
			if flags.NArg() > 0 {
				return usageError{noOption(flags.Arg(0))}
			}
			_, err := fmt.Fprintln(stdout, strings.Join(config.ProfileNames(), "\n"))
			return err
		})},
	}
}

// command gives a function the form of a subcommand's run.
func command(synopsis string, run func(args []string, stdout, stderr io.Writer) error) func([]string, io.Writer, io.Writer) int {
	return func(args []string, stdout, stderr io.Writer) int {
		usageLine := strings.TrimSpace("usage: " + args[0] + " " + synopsis)
		err := run(args[1:], stdout, stderr)
		var usage usageError
		switch {
		case err == nil:
			return statusFine
		case errors.Is(err, errLeftOut):
			fmt.Fprintf(stderr, "%s: %v\n", args[0], err)
			return statusFindings
		case errors.Is(err, pflag.ErrHelp):
			fmt.Fprintln(stdout, usageLine)
			return statusFine
		case errors.As(err, &usage):
			fmt.Fprintf(stderr, "%s: %v\n%s\n", args[0], err, usageLine)
			return statusError
		}
		return fail(stderr, args[0], err)
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func configFlags() *pflag.FlagSet {
	set := pflag.NewFlagSet("racoon config", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return set
}

// configShow prints the model. A file that only needs what racoon does not have yet
// is shown all the same.
func configShow(args []string, stdout, stderr io.Writer) error {
	flags := configFlags()
	file := flags.StringP("config", "f", defaultConfig(), "")
	format := flags.String("format", "classic", "")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if !slices.Contains([]string{"classic", "hcl", "json"}, *format) {
		return usageError{errors.New("--format is classic, hcl or json")}
	}
	cfg, diags, err := config.Read(*file)
	show(stderr, diags, config.Error)
	if err != nil {
		return err
	}
	if names := flags.Args(); len(names) > 0 {
		for _, name := range names {
			if !slices.ContainsFunc(cfg.Remotes, func(r *policy.Remote) bool { return called(r, name) }) {
				return fmt.Errorf("no remote section of %s is called %s", *file, name)
			}
		}
		cfg.Remotes = slices.DeleteFunc(cfg.Remotes, func(r *policy.Remote) bool {
			return !slices.ContainsFunc(names, func(name string) bool { return called(r, name) })
		})
		cfg.SAInfos = slices.DeleteFunc(cfg.SAInfos, func(s *policy.SAInfo) bool {
			return !slices.ContainsFunc(cfg.Remotes, func(r *policy.Remote) bool { return r.Ph1ID == s.RemoteID })
		})
	}
	switch *format {
	case "classic":
		_, err = io.WriteString(stdout, config.Show(cfg))
	case "hcl":
		_, err = io.WriteString(stdout, config.ShowHCL(cfg))
	default:
		var text []byte
		if text, err = json.MarshalIndent(cfg, "", "  "); err == nil {
			_, err = fmt.Fprintf(stdout, "%s\n", text)
		}
	}
	return err
}

// called reports whether a section is meant by a word: its name, or as in the file
// without the port that the name of an address has.
func called(r *policy.Remote, word string) bool {
	return r.Name == word || r.Name == word+"[500]"
}

// configConvert translates a file.
func configConvert(args []string, stdout, stderr io.Writer) error {
	flags := configFlags()
	file := flags.StringP("config", "f", "", "")
	out := flags.StringP("output", "o", "", "")
	to := flags.String("to", "", "")
	secrets := flags.String("secrets", "", "")
	until := flags.String("legacy-until", time.Now().AddDate(1, 0, 0).Format(time.DateOnly), "")
	force := flags.Bool("force", false, "")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() > 1 || flags.NArg() == 1 && *file != "" {
		return usageError{errors.New("more than one file")}
	}
	in := or(*file, or(flags.Arg(0), defaultConfig()))
	o := config.ConvertOptions{HCL: !config.IsHCL(in), SecretDir: *secrets}
	if *out == "-" {
		*out = ""
	}
	switch {
	case *to != "" && *to != "classic" && *to != "hcl":
		return usageError{errors.New("--to is classic or hcl")}
	case *to != "" && (*to == "hcl") != o.HCL:
		return fmt.Errorf("%s is in that language already: files named .hcl are in HCL, all others in the classic language", in)
	case *out != "" && o.HCL && !config.IsHCL(*out):
		return fmt.Errorf("-o %s: the result is in HCL, which is read from files named .hcl only", *out)
	case *out != "" && !o.HCL && config.IsHCL(*out):
		return fmt.Errorf("-o %s: the result is in the classic language, whose files are not named .hcl", *out)
	}
	if o.SecretDir != "" {
		abs, err := filepath.Abs(o.SecretDir)
		if err != nil {
			return err
		}
		o.SecretDir = abs
	}
	var err error
	if o.LegacyUntil, err = time.Parse(time.DateOnly, *until); err != nil {
		return usageError{fmt.Errorf("--legacy-until: %q is no day as 2027-06-30", *until)}
	}
	if *until < time.Now().Format(time.DateOnly) {
		return usageError{fmt.Errorf("--legacy-until: %s is over, and the file would be refused at once", *until)}
	}
	c, diags, err := config.Convert(in, o)
	show(stderr, diags, config.Error)
	if err != nil {
		return err
	}
	if *out != "" && c.Relative.Line != 0 && !sameDir(in, *out) {
		return fmt.Errorf("%s:%d names a path relative to that file's directory: write the result there, or the path from the root", c.Relative.File, c.Relative.Line)
	}
	return writeConversion(c, *out, *force, stdout, stderr)
}

// sameDir reports whether two files are in one directory.
func sameDir(a, b string) bool {
	x, err1 := filepath.Abs(filepath.Dir(a))
	y, err2 := filepath.Abs(filepath.Dir(b))
	return err1 == nil && err2 == nil && x == y
}

// writeConversion writes what a conversion has made. What is secret, or belongs
// into a second file, does not go to standard output.
func writeConversion(c *config.Conversion, out string, force bool, stdout, stderr io.Writer) error {
	if out == "" && (c.Secret || c.Plugins != "") {
		what := "secrets"
		if !c.Secret {
			what = "a plugins.hcl"
		}
		return fmt.Errorf("the result has %s, which does not go to standard output: name a file with -o FILE", what)
	}
	files := map[string]secret.Bytes{}
	for name, s := range c.Secrets {
		files[name] = s
	}
	if out != "" {
		files[out] = secret.New([]byte(c.Text))
		if c.Plugins != "" {
			files[filepath.Join(filepath.Dir(out), "plugins.hcl")] = secret.New([]byte(c.Plugins))
		}
	}
	if err := writeFiles(files, force); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) { // nobody has named the others
		if name != out {
			fmt.Fprintf(stderr, "wrote %s\n", name)
		}
	}
	if out == "" {
		_, err := io.WriteString(stdout, c.Text)
		return err
	}
	return nil
}

// writeFiles writes files nobody else may read, all or none if one is there already.
func writeFiles(files map[string]secret.Bytes, force bool) error {
	for name := range files {
		if _, err := os.Lstat(name); !force && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists: --force replaces it", name)
		}
	}
	for name, text := range files {
		if err := writePrivate(name, text.Reveal()); err != nil {
			return err
		}
		text.Zero()
	}
	return nil
}

// writePrivate writes a file nobody else may read, and replaces an old one as a
// whole.
func writePrivate(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

package hooks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may have.
const maxLinks = 40

// trusted says why a script must not be run: somebody besides root and our own user
// can change it, or a directory on the way to it. As all of the way is looked at,
// symbolic links included, nobody else can have changed it by the time it is run.
// Directories above base are not looked at, which is for tests.
func trusted(path, base string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s is no absolute path", path)
	}
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		next := rest[0]
		rest = rest[1:]
		switch next {
		case "", ".":
			continue
		case "..": // of a link's target; at has no links
			at = filepath.Dir(at)
			continue
		}
		if err := secure(at, base); err != nil {
			return err
		}
		name := filepath.Join(at, next)
		info, err := os.Lstat(name)
		switch {
		case err != nil:
			return plain(err)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return plain(err)
			}
			if links++; links > maxLinks {
				return fmt.Errorf("%s has too many symbolic links", path)
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		default:
			at = name
		}
	}
	info, err := os.Lstat(at)
	if err != nil {
		return plain(err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", at)
	}
	return owned(at, info)
}

// secure looks at a directory.
func secure(dir, base string) error {
	if base != "" && strings.HasPrefix(base+"/", strings.TrimSuffix(dir, "/")+"/") {
		return nil
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return plain(err)
	}
	return owned(dir, info)
}

func owned(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("nobody knows whose %s is", name)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d, who could change the script", name, st.Uid)
	}
	if p := info.Mode().Perm(); p&0o022 != 0 {
		return fmt.Errorf("%s has mode %04o: others could change the script (chmod go-w)", name, p)
	}
	return nil
}

// plain is an error about a path in the words of the others.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

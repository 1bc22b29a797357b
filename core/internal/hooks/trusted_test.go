package hooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrusted(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want string // part of the reason, "" = it is trusted
	}{
		{"nobody else may write it", func(t *testing.T, dir string) string { return dir + "/bin/hook" }, ""},
		{"others may", func(t *testing.T, dir string) string { return chmod(t, dir+"/bin/hook", 0o757) }, "bin/hook has mode 0757"},
		{"its group may", func(t *testing.T, dir string) string { return chmod(t, dir+"/bin/hook", 0o775) }, "bin/hook has mode 0775"},
		{"others may write its directory", func(t *testing.T, dir string) string {
			chmod(t, dir+"/bin", 0o777)
			return dir + "/bin/hook"
		}, "bin has mode 0777"},
		{"a sticky bit does not help", func(t *testing.T, dir string) string {
			chmod(t, dir+"/bin", 0o777|os.ModeSticky)
			return dir + "/bin/hook"
		}, "bin has mode 0777"},
		{"others may write a directory further up", func(t *testing.T, dir string) string {
			chmod(t, dir+"/open", 0o777)
			return dir + "/open/sub/hook"
		}, "open has mode 0777"},
		{"it is somebody else's", func(t *testing.T, dir string) string { return chown(t, dir+"/bin/hook") }, "belongs to uid 12345"},
		{"its directory is somebody else's", func(t *testing.T, dir string) string {
			chown(t, dir+"/bin")
			return dir + "/bin/hook"
		}, "belongs to uid 12345"},
		{"a link to it", func(t *testing.T, dir string) string { return link(t, "bin/hook", dir+"/link") }, ""},
		{"an absolute link to its directory", func(t *testing.T, dir string) string { return link(t, dir+"/bin", dir+"/link") + "/hook" }, ""},
		{"a link upwards", func(t *testing.T, dir string) string { return link(t, "../bin/../bin/hook", dir+"/bin/link") }, ""},
		{"a link into an open directory", func(t *testing.T, dir string) string {
			chmod(t, dir+"/open", 0o777)
			return link(t, "../open/sub/hook", dir+"/bin/link")
		}, "open has mode 0777"},
		{"a link in an open directory", func(t *testing.T, dir string) string {
			chmod(t, dir+"/open", 0o777)
			return link(t, "../bin/hook", dir+"/open/link")
		}, "open has mode 0777"},
		{"a path through an open directory and back", func(t *testing.T, dir string) string {
			chmod(t, dir+"/open", 0o777)
			link(t, "../open/sub", dir+"/bin/sub")
			return link(t, "sub/../../bin/hook", dir+"/bin/link")
		}, "open has mode 0777"},
		{"a link to itself", func(t *testing.T, dir string) string { return link(t, "link", dir+"/link") }, "too many symbolic links"},
		{"it is not there", func(t *testing.T, dir string) string { return dir + "/bin/other" }, "bin/other: no such file"},
		{"it is not executable", func(t *testing.T, dir string) string { return chmod(t, dir+"/bin/hook", 0o644) }, "is not an executable file"},
		{"it is a directory", func(t *testing.T, dir string) string { return dir + "/bin" }, "is not an executable file"},
		{"a file has nothing below", func(t *testing.T, dir string) string { return dir + "/bin/hook/x" }, "not a directory"},
		{"a relative path", func(t *testing.T, dir string) string { return "bin/hook" }, "is no absolute path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{"bin", "open/sub"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
				chmod(t, filepath.Join(dir, d), 0o755) // whatever the umask
				if err := os.WriteFile(filepath.Join(dir, d, "hook"), nil, 0o755); err != nil {
					t.Fatal(err)
				}
				chmod(t, filepath.Join(dir, d, "hook"), 0o755)
			}
			chmod(t, filepath.Join(dir, "open"), 0o755)
			path := test.make(t, dir)
			switch err := trusted(path, dir); {
			case err == nil && test.want != "":
				t.Errorf("trusted, want %q", test.want)
			case err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestTheWayFromTheRootIsLookedAt(t *testing.T) {
	dir := t.TempDir() // of somebody who may write it, below one that everybody may write
	if err := os.WriteFile(dir+"/hook", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.TempDir()); err != nil || info.Mode().Perm()&0o002 == 0 {
		t.Skipf("%s is not open to everybody here", os.TempDir())
	}
	if err := trusted(dir+"/hook", ""); err == nil {
		t.Error("a script below a directory that everybody may write is trusted")
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func chown(t *testing.T, path string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, name string) string {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
	return name
}

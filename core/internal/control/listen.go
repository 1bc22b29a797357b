package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// maxPath is what the shortest sockaddr_un takes (BSD: 104 octets with the NUL).
const maxPath = 103

// Listener is the control socket. It accepts root, and whoever the socket's
// owner, group and mode admit: not every system asks those when a client connects.
type Listener struct {
	*net.UnixListener
	path     string
	file     fs.FileInfo // to remove the socket only while it is ours
	uid, gid uint32
	mode     fs.FileMode
	log      *slog.Logger
	groupsOf func(uid uint32) []string
}

// peerCredential is who connected, as the kernel says.
type peerCredential struct{ uid, gid uint32 }

// Listen makes the control socket. It refuses to take the place of another daemon
// that answers, and of anything that is not a socket.
func Listen(c policy.AdminSock, log *slog.Logger) (*Listener, error) {
	l := &Listener{path: c.Path, mode: fs.FileMode(c.Mode), log: log, groupsOf: groupsOf}
	if l.path == "" {
		l.path = control.DefaultSocket
	}
	if l.mode == 0 {
		l.mode = 0o600
	}
	var err error
	if l.uid, err = userID(c.Owner); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", l.path, err)
	}
	if l.gid, err = groupID(c.Group); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", l.path, err)
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", l.path, err)
	}
	return l, nil
}

// open binds under another name and renames: at its own name the socket never has
// a wrong owner or mode, and there is no moment without it.
func (l *Listener) open() error {
	dir := filepath.Dir(l.path)
	temp := filepath.Join(dir, ".r"+strconv.Itoa(os.Getpid()))
	switch {
	case !filepath.IsAbs(l.path):
		return errors.New("the path must be absolute")
	case l.mode&^fs.ModePerm != 0:
		return fmt.Errorf("mode %#o has more than permission bits", uint32(l.mode))
	case len(l.path) > maxPath || len(temp) > maxPath:
		return fmt.Errorf("the path is longer than the %d octets a socket's may have", maxPath)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := vacant(l.path); err != nil {
		return err
	}
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: temp})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false)
	err = l.place(temp)
	if err != nil {
		listener.Close()
		os.Remove(temp)
		return err
	}
	l.UnixListener = listener
	return nil
}

func (l *Listener) place(temp string) error {
	if err := os.Chown(temp, int(l.uid), int(l.gid)); err != nil {
		return err
	}
	if err := os.Chmod(temp, l.mode); err != nil {
		return err
	}
	var err error
	if l.file, err = os.Lstat(temp); err != nil {
		return err
	}
	return os.Rename(temp, l.path)
}

// vacant makes sure that nobody loses what is at path.
func vacant(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode().Type() != fs.ModeSocket:
		return errors.New("exists and is not a socket; remove it or choose another path")
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return errors.New("another daemon answers there")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("a socket is there already: %w", err)
	}
	return nil
}

// Accept returns the next client that may connect.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		switch who, err := credentialOf(conn); {
		case err != nil:
			l.log.Warn("control client refused: cannot tell who it is", "error", err)
		case l.admits(who):
			return conn, nil
		default:
			l.log.Warn("control client refused", "uid", who.uid, "gid", who.gid)
		}
		conn.Close()
	}
}

// admits applies the socket's mode as for writing to a file.
func (l *Listener) admits(who peerCredential) bool {
	const write = 0o2
	switch {
	case who.uid == 0 || l.mode&write != 0:
		return true
	case l.mode&(write<<6) != 0 && who.uid == l.uid:
		return true
	case l.mode&(write<<3) == 0:
		return false
	case who.gid == l.gid:
		return true
	}
	for _, g := range l.groupsOf(who.uid) {
		if g == strconv.FormatUint(uint64(l.gid), 10) {
			return true
		}
	}
	return false
}

// Close stops listening and removes the socket, unless another one has taken its place.
func (l *Listener) Close() error {
	if fi, err := os.Lstat(l.path); err == nil && os.SameFile(fi, l.file) {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

func groupsOf(uid uint32) []string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil
	}
	return groups
}

// userID resolves a user's name or number; "" is this process's user.
func userID(name string) (uint32, error) {
	if name == "" {
		return uint32(os.Geteuid()), nil
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("owner: %w", err)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

// groupID resolves a group's name or number; "" is this process's group.
func groupID(name string) (uint32, error) {
	if name == "" {
		return uint32(os.Getegid()), nil
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("group: %w", err)
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(n), err
}

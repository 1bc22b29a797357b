package control

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// The kernel's own check is taken away by opening the file afterwards; what is
// left is ours.
func TestAnotherUserIsRefusedByItsCredential(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	path := filepath.Join(dir, "s")
	l := listen(t, policy.AdminSock{Path: path})
	os.Chmod(path, 0o666)

	accepted := make(chan peerCredential, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		defer conn.Close()
		who, _ := credentialOf(conn.(*net.UnixConn))
		accepted <- who
	}()

	refused := make(chan error, 1)
	go func() {
		// Credentials are a thread's; this one ends with the goroutine.
		runtime.LockOSThread()
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); e != 0 {
			refused <- e
			return
		}
		conn, err := net.Dial("unix", path)
		if err == nil {
			_, err = conn.Read(make([]byte, 1)) // the end of file says that we were refused
		}
		refused <- err
	}()
	if err := <-refused; err == nil || err.Error() != "EOF" {
		t.Fatalf("user 65534: %v, want to be hung up on", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if who, ok := <-accepted; !ok || who.uid != 0 {
		t.Errorf("the first one accepted is %+v, want root", who)
	}
}

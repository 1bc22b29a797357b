package errs

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestOS(t *testing.T) {
	for _, tc := range []struct {
		err    error
		reason Reason
		errno  int
		msg    string
	}{
		{fmt.Errorf("sendmsg: %w", syscall.ENOBUFS), Busy, int(syscall.ENOBUFS), "add: sendmsg: " + syscall.ENOBUFS.Error()},
		{syscall.EEXIST, Exists, int(syscall.EEXIST), "add: " + syscall.EEXIST.Error()},
		{syscall.EDOM, Internal, int(syscall.EDOM), "add: " + syscall.EDOM.Error()},
		{errors.New("the socket is closed"), Unavailable, 0, "add: the socket is closed"},
		{fmt.Errorf("op 3: %w", &Error{Reason: Unsupported, Msg: "no AH", Op: 3}), Unsupported, 0, "add: no AH"},
	} {
		e := OS("add", tc.err)
		if e.Reason != tc.reason || e.Errno != tc.errno || e.Msg != tc.msg {
			t.Errorf("%v: %+v, want %s, errno %d, %q", tc.err, e, tc.reason, tc.errno, tc.msg)
		}
	}
	if e := OS("add", nil); e != nil {
		t.Errorf("nil: %v", e)
	}
}

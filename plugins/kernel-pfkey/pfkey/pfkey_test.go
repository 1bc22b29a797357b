package pfkey

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

func TestEveryOperationIsRefusedWithAType(t *testing.T) {
	b, diags := Spec("test").Kernel(t.Context(), config.Value{JSON: json.RawMessage(`{"pfkey_buffer":512}`)}, plugin.Env{})
	if len(diags) != 0 {
		t.Fatal(diags)
	}
	for name, call := range map[string]func() error{
		"SocketOptions": func() error { _, err := b.SocketOptions(t.Context(), kernel.SocketIKE, kernel.IPv4); return err },
		"AllocateSPIs":  func() error { _, err := b.AllocateSPIs(t.Context(), make([]kernel.SPIRequest, 1)); return err },
		"Apply":         func() error { _, err := b.Apply(t.Context(), make([]kernel.Transaction, 1)); return err },
		"Query":         func() error { _, err := b.Query(t.Context(), make([]kernel.Key, 1)); return err },
		"Dump": func() error {
			return b.Dump(t.Context(), kernel.DumpFilter{SAs: true}, func(kernel.Object) error { t.Error("an object"); return nil })
		},
		"Events": func() error {
			return b.Events(t.Context(), 0, func(kernel.Event) error { t.Error("an event"); return nil })
		},
		"LookupRoutes": func() error { _, err := b.LookupRoutes(t.Context(), make([]kernel.RouteQuery, 1)); return err },
	} {
		if err := call(); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) || !strings.Contains(err.Error(), "later release") {
			t.Errorf("%s: %v, want an honest Unsupported", name, err)
		}
	}
}

// anySocket stands for a kernel that has PF_KEY.
func anySocket(int, int, int) (int, error) {
	return syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
}

func TestTheProbeSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		errno error
		want  errs.Reason
		words string
	}{
		{syscall.EPERM, errs.Permission, "it takes "},
		{syscall.EAFNOSUPPORT, errs.Unsupported, "this kernel has no PF_KEY"},
		{syscall.EPROTONOSUPPORT, errs.Unsupported, "this kernel has no PF_KEY"},
		{syscall.EMFILE, errs.Unavailable, "open PF_KEY socket"},
	} {
		b := &Backend{socket: func(domain, typ, proto int) (int, error) {
			if domain != domains[runtime.GOOS] || typ != syscall.SOCK_RAW || proto != 2 {
				t.Errorf("socket(%d, %d, %d)", domain, typ, proto)
			}
			return -1, tt.errno
		}}
		_, err := b.Capabilities(t.Context())
		var e *errs.Error
		if !errors.As(err, &e) || e.Reason != tt.want || !strings.Contains(e.Msg, tt.words) || e.Errno != int(tt.errno.(syscall.Errno)) {
			t.Errorf("%v: %v, want %s", tt.errno, err, tt.want)
		}
	}
	b := &Backend{socket: anySocket}
	caps, err := b.Capabilities(t.Context())
	if err != nil || caps.Features != 0 || len(caps.Algorithms) != 0 || caps.Platform != runtime.GOOS+" pfkey" {
		t.Errorf("with a socket: %+v, %v; want a platform that offers nothing yet", caps, err)
	}
}

// The real kernel: whichever it is, the answer is a platform or a typed error.
func TestTheProbeOfThisKernelIsClear(t *testing.T) {
	b := &Backend{socket: syscall.Socket}
	caps, err := b.Capabilities(t.Context())
	var e *errs.Error
	if err != nil && (!errors.As(err, &e) || e.Reason != errs.Unsupported && e.Reason != errs.Permission) {
		t.Errorf("%v", err)
	}
	t.Logf("%q, %v", caps.Platform, err)
}

func TestConfigurationIsChecked(t *testing.T) {
	for text, code := range map[string]string{
		``: "", `{}`: "", `{"pfkey_buffer":1048576}`: "",
		`{"pfkey_buffer":1048577}`: "PFKEY002", `{"pfkey_buffer":-1}`: "PFKEY001", `{"pfkey_buffer":"x"}`: "PFKEY001",
	} {
		diags := Spec("test").Validate(t.Context(), config.Value{JSON: json.RawMessage(text)})
		if (code == "") != (len(diags) == 0) || code != "" && diags[0].Code != code {
			t.Errorf("%s: %+v, want %q", text, diags, code)
		}
	}
}

package pfkey

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
)

// without is a plugin on a kernel that has no PF_KEY.
func without() plugin.Spec {
	spec := Spec("test")
	spec.Kernel = func(_ context.Context, v config.Value, _ plugin.Env) (kernel.Backend, config.Diagnostics) {
		cfg, diags := ParseConfig(v)
		if len(diags) > 0 {
			return nil, diags
		}
		s := linux()
		refuse := func() (socket, error) { return nil, openError(&s, syscall.EAFNOSUPPORT) }
		return newBackend(s, cfg, slog.New(slog.DiscardHandler), refuse, refuse), nil
	}
	return spec
}

// A plugin without its kernel says what it is and checks configurations; it does not come
// up, and whoever wanted it reads why in one sentence.
func TestWithoutPFKEYThePluginDoesNotComeUp(t *testing.T) {
	s := subject()
	s.Spec, s.Refuses = without, true
	refused := 0
	for _, c := range plugintest.KernelChecks(s, plugintest.KernelWant{}) {
		err := c.Run(t.Context())
		switch {
		case c.Name == "it says what it is", c.Name == "it finds nothing wrong with its configuration":
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		case err == nil || !strings.HasSuffix(err.Error(), "this kernel has no PF_KEY (address family not supported by protocol): load the module af_key, or use kernel-xfrm"):
			t.Errorf("%s: %v", c.Name, err)
		default:
			refused++
		}
	}
	if refused == 0 {
		t.Error("no check has started the plugin")
	}
}

func TestASocketThatCannotBeOpenedIsSaidWithWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		sys   System
		errno syscall.Errno
		want  errs.Reason
		words string
	}{
		{linux(), syscall.EPERM, errs.Permission, "open PF_KEY socket: operation not permitted: it takes CAP_NET_ADMIN"},
		{freebsd(), syscall.EPERM, errs.Permission, "open PF_KEY socket: operation not permitted: it takes root"},
		{linux(), syscall.EAFNOSUPPORT, errs.Unsupported, "this kernel has no PF_KEY (address family not supported by protocol): load the module af_key, or use kernel-xfrm"},
		{netbsd(), syscall.EPROTONOSUPPORT, errs.Unsupported, "this kernel has no PF_KEY (protocol not supported): build a kernel with options IPSEC"},
		{linux(), syscall.EMFILE, errs.Unavailable, "open PF_KEY socket: too many open files"},
	} {
		var e *errs.Error
		if err := openError(&tt.sys, tt.errno); !errors.As(err, &e) || e.Reason != tt.want || e.Msg != tt.words || e.Errno != int(tt.errno) {
			t.Errorf("%s: %v, want %s: %s", tt.sys.Name, err, tt.want, tt.words)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for text, code := range map[string]string{
		``: "", `{}`: "", `{"pfkey_buffer":1048576,"dump_keys":true}`: "",
		`{"pfkey_buffer":1048577}`: "PFKEY002", `{"pfkey_buffer":-1}`: "PFKEY001", `{"pfkey_buffer":"x"}`: "PFKEY001",
	} {
		diags := Spec("test").Validate(t.Context(), config.Value{JSON: []byte(text)})
		if (code == "") != (len(diags) == 0) || code != "" && diags[0].Code != code {
			t.Errorf("%s: %+v, want %q", text, diags, code)
		}
	}
}

package plugintest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/logtest"
)

// The test binary is also the plugins it tests as executables.
const roleKey = "RACOON_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "auth":
		plugin.Serve(authSpec())
	case "kernel":
		plugin.Serve(kerneltest.New().Spec("fake"))
	case "log":
		plugin.Serve(new(logtest.Memory).Spec("fake"))
	}
	os.Exit(m.Run())
}

func peer(addr string) auth.PeerContext {
	return auth.PeerContext{RemoteAddr: netip.MustParseAddrPort(addr + ":500")}
}

func static() *authtest.Static {
	return &authtest.Static{PSKs: map[string][][]byte{"192.0.2.1": {[]byte("the first secret")}, "192.0.2.2": {[]byte("the second secret")}}}
}

var authWant = AuthWant{
	Known:   []Known{{peer("192.0.2.1"), []byte("the first secret")}, {peer("192.0.2.2"), []byte("the second secret")}},
	Unknown: []auth.PeerContext{peer("192.0.2.3")},
}

// authSpec refuses configurations with the word "bad".
func authSpec() plugin.Spec { return serving(static()) }

func serving(a auth.Authenticator) plugin.Spec {
	return plugin.Spec{
		Name: "fake", Version: "0", Vendor: "racoon",
		Auth: func(_ context.Context, v config.Value, env plugin.Env) (auth.Authenticator, config.Diagnostics) {
			env.Logger.Info("configured")
			if strings.Contains(string(v.JSON), "bad") {
				return nil, config.Errorf(nil, "F001", "bad configuration", "as told")
			}
			return a, nil
		},
	}
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestTheFakesKeepTheContract(t *testing.T) {
	exe := self(t)
	env := func(role string) []string { return []string{roleKey + "=" + role, "GORACE=atexit_sleep_ms=0"} }
	bad := []string{`{"x":"bad"}`}
	t.Run("auth in process", func(t *testing.T) { Auth(t, Subject{Spec: authSpec, BadConfigs: bad}, authWant) })
	t.Run("auth process", func(t *testing.T) { Auth(t, Subject{Path: exe, Env: env("auth"), BadConfigs: bad}, authWant) })
	t.Run("kernel in process", func(t *testing.T) {
		Kernel(t, Subject{Spec: func() plugin.Spec { return kerneltest.New().Spec("fake") }}, KernelWant{})
	})
	t.Run("kernel process", func(t *testing.T) { Kernel(t, Subject{Path: exe, Env: env("kernel")}, KernelWant{}) })
	t.Run("log in process", func(t *testing.T) {
		m := new(logtest.Memory)
		Log(t, Subject{Spec: func() plugin.Spec { *m = logtest.Memory{}; return m.Spec("fake") }}, LogWant{Written: func() string {
			var b strings.Builder
			for _, r := range m.Records() {
				b.WriteString(r.Msg + "\n")
			}
			return b.String()
		}})
	})
	t.Run("log process", func(t *testing.T) { Log(t, Subject{Path: exe, Env: env("log")}, LogWant{}) })
	t.Run("an unfinished kernel plugin", func(t *testing.T) {
		f := kerneltest.New()
		f.Before = func(_ context.Context, method string) error {
			if method == "Capabilities" {
				return nil
			}
			return errs.Errorf(errs.Unsupported, "not yet")
		}
		Kernel(t, Subject{Spec: func() plugin.Spec { return f.Spec("unfinished") }, Refuses: true}, KernelWant{})
	})
}

// A broken plugin must fail the check that is about its fault.
func TestEachCheckCanFail(t *testing.T) {
	authChecks := func(a auth.Authenticator) []Check {
		return AuthChecks(Subject{Spec: func() plugin.Spec { return serving(a) }, BadConfigs: []string{`"bad"`}}, authWant)
	}
	kernelChecks := func(break_ func(*kerneltest.Fake) kernel.Backend) []Check {
		return KernelChecks(Subject{Spec: func() plugin.Spec {
			s := kerneltest.New().Spec("broken")
			s.Kernel = func(context.Context, config.Value, plugin.Env) (kernel.Backend, config.Diagnostics) {
				return break_(kerneltest.New()), nil
			}
			return s
		}}, KernelWant{})
	}
	nameless := AuthChecks(Subject{Spec: func() plugin.Spec { s := serving(static()); s.Version = ""; return s }}, AuthWant{})
	unreadable := AuthChecks(Subject{Spec: func() plugin.Spec {
		s := serving(static())
		s.Schema = &config.Schema{Body: config.Body{Attrs: []config.Attr{{Name: "x", Type: "strnig"}}}}
		return s
	}}, AuthWant{})
	careless := AuthChecks(Subject{Spec: func() plugin.Spec { return serving(static()) }, BadConfigs: []string{`{}`}}, authWant)
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	faulty := func(method string, err error) []Check {
		s := static()
		s.Before = func(_ context.Context, m string) error {
			if m == method {
				return err
			}
			return nil
		}
		return authChecks(s)
	}

	tests := []struct {
		fault  string
		checks []Check
		fails  string
	}{
		{"no version", nameless, "it says what it is"},
		{"a schema with a misspelt type", unreadable, "it says what it is"},
		{"it takes any configuration", careless, "it refuses bad configuration 0"},
		{"a wrong prf", authChecks(&wrongAuth{Static: static(), wrong: func(r []auth.SKEYIDRequest) { r[0].Ni[0] ^= 1 }}), "SKEYID is prf"},
		{"a key for everyone", authChecks(&wrongAuth{Static: static(), wrong: func(r []auth.SKEYIDRequest) {
			for i := range r {
				r[i].Peer = peer("192.0.2.1")
			}
		}}), "an unknown peer is NOT_FOUND"},
		{"any nonce will do", authChecks(&wrongAuth{Static: static(), wrong: func(r []auth.SKEYIDRequest) {
			for i := range r {
				r[i].Ni, r[i].Nr = make([]byte, 16), make([]byte, 16)
			}
		}}), "a nonce outside"},
		{"results in the wrong order", authChecks(&wrongAuth{Static: static(), reversed: true}), "one bad request of a batch"},
		{"a batch fails as a whole", authChecks(&wrongAuth{Static: static(), together: true}), "one bad request of a batch"},
		{"a secret in an error", faulty("DeriveSKEYIDs", errs.Errorf(errs.Internal, "key is %q", "the first secret")), "concurrent callers"},
		{"signatures nobody announced", authChecks(&boaster{Static: &authtest.Static{Signer: signer, PSKs: static().PSKs}}), "what it does not advertise"},
		{"no subscription", kernelChecks(func(f *kerneltest.Fake) kernel.Backend {
			f.Before = func(_ context.Context, m string) error {
				if m == "Events" {
					return errs.Errorf(errs.Permission, "no multicast")
				}
				return nil
			}
			return f
		}), "events begin with READY"},
		{"events without READY", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &mute{f, kernel.Ready} }), "events begin with READY"},
		{"no policy events", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &mute{f, kernel.PolicyAdded} }), "a policy change is announced"},
		{"the same SPI for all", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &sameSPI{f} }), "SPIs are distinct"},
		{"no memory of transactions", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &forgetful{f} }), "a transaction that comes again"},
		{"never rolls back", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &stubborn{f} }), "error rules"},
		{"deletes what is not there", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &agreeable{f} }), "what is not there"},
		{"does nothing for an op it does not know", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &agreeable{f} }), "an op nobody defined"},
		{"shows keys", kernelChecks(func(f *kerneltest.Fake) kernel.Backend { return &talkative{f} }), "an SA can be added"},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			ran := false
			for _, c := range test.checks {
				if !strings.HasPrefix(c.Name, test.fails) {
					continue
				}
				ran = true
				ctx, cancel := context.WithTimeout(t.Context(), checkTimeout/10)
				defer cancel()
				if err := c.Run(ctx); err == nil {
					t.Errorf("check %q passes", c.Name)
				}
			}
			if !ran {
				t.Errorf("no check %q", test.fails)
			}
		})
	}
}

type wrongAuth struct {
	*authtest.Static
	wrong              func([]auth.SKEYIDRequest)
	reversed, together bool
}

func (w *wrongAuth) DeriveSKEYIDs(ctx context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	if w.wrong != nil {
		w.wrong(rs)
	}
	res, err := w.Static.DeriveSKEYIDs(ctx, rs)
	for i := range res {
		if w.together && res[i].Err != nil {
			return nil, res[i].Err
		}
	}
	if w.reversed {
		for i, j := 0, len(res)-1; i < j; i, j = i+1, j-1 {
			res[i], res[j] = res[j], res[i]
		}
	}
	return res, err
}

// boaster signs, and does not say so.
type boaster struct{ *authtest.Static }

func (boaster) Capabilities(context.Context) (auth.Capabilities, error) {
	return auth.Capabilities{Methods: []auth.Method{authtest.MethodPSK}, PRFs: []auth.PRF{2}}, nil
}

func (b boaster) Sign(ctx context.Context, rs []auth.SignRequest) ([]auth.Signature, error) {
	for i := range rs {
		rs[i].Handle = "signer"
	}
	return b.Static.Sign(ctx, rs)
}

// mute leaves one kind of event out.
type mute struct {
	*kerneltest.Fake
	kind kernel.EventKind
}

func (m *mute) Events(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
	return m.Fake.Events(ctx, mask, func(e kernel.Event) error {
		if e.Kind == m.kind {
			return nil
		}
		return each(e)
	})
}

type sameSPI struct{ *kerneltest.Fake }

func (sameSPI) AllocateSPIs(_ context.Context, rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	res := make([]kernel.SPIResult, len(rs))
	for i, r := range rs {
		res[i].SPI = r.Min
	}
	return res, nil
}

type forgetful struct{ *kerneltest.Fake }

func (f *forgetful) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	for i := range ts {
		ts[i].TxnID = ""
	}
	return f.Fake.Apply(ctx, ts)
}

type stubborn struct{ *kerneltest.Fake }

func (s *stubborn) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	for i := range ts {
		ts[i].OnError = kernel.Stop
	}
	return s.Fake.Apply(ctx, ts)
}

// agreeable says yes to what it cannot do.
type agreeable struct{ *kerneltest.Fake }

func (a *agreeable) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	res, err := a.Fake.Apply(ctx, ts)
	for _, r := range res {
		for i := range r.Ops {
			r.Ops[i] = kernel.OpResult{Done: true}
		}
	}
	return res, err
}

// talkative shows keys in dumps.
type talkative struct{ *kerneltest.Fake }

func (t *talkative) Dump(_ context.Context, _ kernel.DumpFilter, each func(kernel.Object) error) error {
	for _, s := range t.SAs() {
		if err := each(kernel.Object{SA: &s}); err != nil {
			return fmt.Errorf("dump: %w", err)
		}
	}
	return nil
}

var _ logsink.Sink = (*logtest.Memory)(nil)

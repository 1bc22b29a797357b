package plugintest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/logtest"
)

// The test binary is also the plugins it tests as executables.
const roleKey = "RACOON_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "auth":
		plugin.Serve(authSpec())
	case "kernel":
		plugin.Serve(remoteSpec(os.Getenv(kernelKey)))
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
}

// A broken plugin must fail the check that is about its fault.
func TestEachCheckCanFail(t *testing.T) {
	authChecks := func(a auth.Authenticator) []Check {
		return AuthChecks(Subject{Spec: func() plugin.Spec { return serving(a) }, BadConfigs: []string{`"bad"`}}, authWant)
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
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			mustFail(t, test.checks, test.fails)
		})
	}
}

// mustFail runs the checks whose names begin with name; each must find a fault.
func mustFail(t *testing.T, checks []Check, name string) {
	t.Helper()
	ran := false
	for _, c := range checks {
		if !strings.HasPrefix(c.Name, name) {
			continue
		}
		ran = true
		var skipped *Skipped
		if err := c.Run(t.Context()); err == nil || errors.As(err, &skipped) {
			t.Errorf("check %q finds nothing: %v", c.Name, err)
		} else {
			t.Log(err)
		}
	}
	if !ran {
		t.Errorf("no check %q", name)
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

var _ logsink.Sink = (*logtest.Memory)(nil)

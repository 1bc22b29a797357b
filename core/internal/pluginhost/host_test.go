package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
)

func peerAt(addr string) auth.PeerContext {
	return auth.PeerContext{RemoteAddr: netip.AddrPortFrom(netip.MustParseAddr(addr), 500)}
}

func TestAPluginProcessAnswersLikeTheInterfaceInProcess(t *testing.T) {
	for _, transport := range []string{"", TransportUnix} {
		t.Run("transport "+transport, func(t *testing.T) {
			h, tr := newHost(t)
			s := role("auth")
			s.Transport = transport
			a := startAuth(t, h, s)
			got, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1"))
			if err != nil {
				t.Fatal(err)
			}
			want, _ := authtest.SKEYID(4, []byte(psk), []byte("12345678"), []byte("abcdefgh"))
			if diff := cmp.Diff(want, got.Candidates[0].SKEYID.Reveal()); diff != "" {
				t.Errorf("SKEYID: %s", diff)
			}
			if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.2")); !errors.Is(err, &errs.Error{Reason: errs.NotFound}) {
				t.Errorf("unknown peer: got %v, want NOT_FOUND", err)
			}
			tr.until(t, "the plugin's log line", func() bool { return strings.Contains(tr.log(), "configured") })
			tr.until(t, "stdout in the log", func() bool {
				return strings.Contains(tr.log(), `"a library prints to stdout" plugin=auth/test raw=true`)
			})
		})
	}
}

func TestKernelAndLogPluginsWork(t *testing.T) {
	h, _ := newHost(t)
	events := make(chan kernel.Event, 16)
	k, err := h.StartKernel(t.Context(), role("kernel"), Hooks[kernel.Backend]{
		OnUp: func(ctx context.Context, b kernel.Backend) error {
			go func() { _ = b.Events(ctx, 0, func(e kernel.Event) error { events <- e; return nil }) }()
			if e := <-events; e.Kind != kernel.Ready {
				t.Errorf("first event %d, want Ready", e.Kind)
			}
			return b.Dump(ctx, kernel.DumpFilter{SAs: true, Policies: true}, func(kernel.Object) error { return nil })
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sel := kernel.Selector{Src: netip.MustParsePrefix("10.0.0.0/24"), Dst: netip.MustParsePrefix("10.0.1.0/24")}
	res, err := k.ApplyOne(t.Context(), kernel.Transaction{TxnID: "1", Generation: 7, Ops: []kernel.Op{{
		Kind: kernel.AddPolicy, Policy: &kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Out, Sel: sel}, Action: kernel.ActionIPsec},
	}}})
	if err != nil || !res.Ops[0].Done {
		t.Fatalf("apply: %v, %v", res, err)
	}
	if e := <-events; e.Kind != kernel.PolicyAdded || e.Seq != 2 || e.Generation != 7 || e.Policy.Key.Sel != sel {
		t.Errorf("event %+v, want PolicyAdded with sequence number 2 and generation 7", e)
	}
	caps, err := k.Capabilities(t.Context())
	if err != nil || caps.Platform != "fake" || caps.Features&kernel.FeatESP == 0 {
		t.Errorf("capabilities %+v, %v", caps, err)
	}
	if err := k.Bind(t.Context(), netip.AddrPort{}); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
		t.Errorf("EncapPort of a backend without: got %v, want UNSUPPORTED", err)
	}

	l, err := h.StartLog(t.Context(), role("log"), Hooks[logsink.Sink]{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Write(t.Context(), logsink.Batch{Seq: 1, Records: []logsink.Record{{Msg: "hello"}}}); err != nil {
		t.Error(err)
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if got := len(h.Status()); got != 2 {
		t.Errorf("%d plugins in Status, want 2", got)
	}
}

func TestAStartThatCannotWorkSaysWhy(t *testing.T) {
	tests := []struct {
		name string
		spec Spec
		want string
	}{
		{"a library prints to stdout before the handshake", role("noise"), "hello from a chatty library"},
		{"the process dies", role("die"), "exit status 3; its last words: libhsm.so.3: not found"},
		{"the process never answers", role("mute"), "no answer to the handshake"},
		{"another process serves the socket", role("stranger"), "want the plugin itself"},
		{"the socket is somewhere else", role("outside"), "want a Unix socket in"},
		{"the plugin is of another kind", role("log"), "want racoon.plugin.auth.v1.AuthService"},
		{"the configuration is refused", with(role("auth"), `{"mode":"refuse"}`), `bad mode: mode "refuse" is for tests`},
		{"configuring crashes it", with(role("auth"), `{"mode":"panic"}`), "boom in configure"},
		{"there is no such binary", Spec{Name: "absent"}, "no racoon-auth-absent in"},
		{"the name is a path", Spec{Name: "../x"}, "want up to 32"},
		{"the file is not executable", Spec{Name: "x", Path: "/etc/passwd"}, "not an executable file"},
		{"the digest differs", Spec{Name: "x", Path: self(), SHA256: "00"}, "not the configured 00"},
		{"the transport is unknown", Spec{Name: "x", Transport: "tcp"}, `"tcp" is unknown`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, _ := newHost(t)
			if test.name == "the process never answers" {
				h.timing.start = 2 * time.Second
			}
			_, err := h.StartAuth(t.Context(), test.spec, Hooks[auth.Authenticator]{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant an error with %q", err, test.want)
			}
			if got := h.Status(); len(got) != 0 {
				t.Errorf("still there: %+v", got)
			}
		})
	}
}

func with(s Spec, cfg string) Spec {
	s.Config = json.RawMessage(cfg)
	return s
}

func TestARefusedConfigurationCarriesItsDiagnostics(t *testing.T) {
	h, _ := newHost(t)
	_, err := h.StartAuth(t.Context(), with(role("auth"), `{"mode":"refuse"}`), Hooks[auth.Authenticator]{})
	var refused *ConfigError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a *ConfigError", err)
	}
	want := config.Diagnostics{{Severity: config.Error, Summary: "bad mode", Detail: `mode "refuse" is for tests`, Path: []string{"mode"}, Code: "T002"}}
	if diff := cmp.Diff(want, refused.Diagnostics); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeSeesTheSchemaOfTheStartedPlugin(t *testing.T) {
	h, _ := newHost(t)
	s := role("auth")
	s.Decode = func(schema *config.Schema) (json.RawMessage, error) {
		if schema == nil || schema.Body.Attrs[0].Name != "mode" {
			t.Errorf("schema %+v", schema)
		}
		return json.RawMessage(`{"Peer":"198.51.100.1"}`), nil
	}
	a := startAuth(t, h, s)
	if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("198.51.100.1")); err != nil {
		t.Errorf("the decoded configuration is not in force: %v", err)
	}
}

func TestConfigureReplacesTheInstanceOrKeepsTheOldOne(t *testing.T) {
	h, _ := newHost(t)
	var ups, downs int
	a, err := h.StartAuth(t.Context(), with(role("auth"), `{"Peer":"192.0.2.1"}`), Hooks[auth.Authenticator]{
		OnUp:   func(context.Context, auth.Authenticator) error { ups++; return nil },
		OnDown: func(error) { downs++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := a.Status().PID
	known := func(peer string) bool {
		if err := a.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := a.DeriveSKEYID(t.Context(), skeyidRequest(peer))
		return err == nil
	}
	var refused *ConfigError
	if err := a.Configure(t.Context(), json.RawMessage(`{"mode":"refuse"}`), 2); !errors.As(err, &refused) {
		t.Errorf("got %v, want a *ConfigError", err)
	}
	if !known("192.0.2.1") {
		t.Error("the old instance is gone after a refused configuration")
	}
	if err := a.Configure(t.Context(), json.RawMessage(`{"Peer":"192.0.2.9"}`), 3); err != nil {
		t.Fatal(err)
	}
	if !known("192.0.2.9") || known("192.0.2.1") {
		t.Error("the new configuration is not in force")
	}
	if err := a.Configure(t.Context(), json.RawMessage(`{"Peer":"192.0.2.9"}`), 4); err != nil {
		t.Fatal(err)
	}
	if a.Status().PID != pid {
		t.Error("the process was replaced")
	}
	h.Close(t.Context())
	if ups != 2 || downs != 2 {
		t.Errorf("%d ups and %d downs, want 2 and 2: one for the start, one for the changed configuration", ups, downs)
	}
}

func TestThePluginSeesACleanEnvironment(t *testing.T) {
	t.Setenv("RACOON_HOST_SECRET", "do not leak")
	h, _ := newHost(t)
	a := startAuth(t, h, with(role("auth"), `{"mode":"environment"}`))
	_, err := a.SignOne(t.Context(), auth.SignRequest{Scheme: 1})
	e := errs.From(err)
	if e.Reason != errs.Busy || !strings.Contains(e.Msg, "PATH=") {
		t.Fatalf("got %v, want the environment", err)
	}
	if strings.Contains(e.Msg, "do not leak") {
		t.Error("the host's environment reached the plugin")
	}
}

func TestTheRunDirectoryIsPrivateSweptAndShortEnough(t *testing.T) {
	dir := runDir(t)
	stale := filepath.Join(dir, socketDirPrefix+"123")
	if err := os.Mkdir(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what an earlier host left is still there: %v", err)
	}
	if _, err := New(Options{RunDir: dir}); err == nil || !strings.Contains(err.Error(), "another racoon") {
		t.Errorf("a second host in one directory: got %v", err)
	}
	h.Close(t.Context())
	again, err := New(Options{RunDir: dir})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	again.Close(t.Context())
	for name, dir := range map[string]string{"at most 60": "/" + strings.Repeat("x", 60), "absolute": "run"} {
		if _, err := New(Options{RunDir: dir}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("run directory %q: got %v, want an error with %q", dir, err, name)
		}
	}
}

func TestAnExecutableOthersCanChangeIsRefused(t *testing.T) {
	dir := runDir(t)
	path := filepath.Join(dir, "plugin")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name      string
		file, dir os.FileMode
		want      string
	}{
		{"as it should be", 0o755, 0o755, ""},
		{"the file is writable for its group", 0o775, 0o755, "chmod go-w"},
		{"the file is writable for all", 0o757, 0o755, "chmod go-w"},
		{"the directory is writable for all", 0o755, 0o777, "chmod go-w"},
		{"a sticky directory protects its files", 0o755, os.ModeSticky | 0o777, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := errors.Join(os.Chmod(path, test.file), os.Chmod(dir, test.dir)); err != nil {
				t.Fatal(err)
			}
			f, err := openExecutable(path, "")
			if err == nil {
				f.Close()
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestDescribeAndCheckVisitAPluginWithoutKeepingIt(t *testing.T) {
	h, tr := newHost(t)
	s := role("auth")
	s.Kind = KindAuth
	d, err := h.Describe(t.Context(), s)
	if err != nil || d.Info.Version != "1.2" || d.Schema == nil || d.Schema.Body.Attrs[0].Name != "mode" {
		t.Errorf("Describe: %+v, %v", d, err)
	}
	s.Decode = func(*config.Schema) (json.RawMessage, error) { return json.RawMessage(`{"mode":"warn"}`), nil }
	diags, err := h.Check(t.Context(), s)
	if err != nil || len(diags) != 1 || diags[0].Severity != config.Warning {
		t.Errorf("Check: %v, %v", diags, err)
	}
	if _, err := h.Describe(t.Context(), Spec{Kind: "kernel", Name: "test", Path: self(), Env: s.Env}); err == nil {
		t.Error("an auth plugin passes as a kernel plugin")
	}
	if tr.count(Starting) != 0 || len(h.Status()) != 0 {
		t.Error("a visited plugin stays")
	}
}

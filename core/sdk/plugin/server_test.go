package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	basev1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/base/v1"
)

// testInstance is an authenticator that says which configuration made it.
type testInstance struct {
	auth.Authenticator
	env     Env
	name    string
	entered chan struct{}
	leave   chan struct{}
	closed  chan string
}

func (i *testInstance) Resolve(ctx context.Context, r auth.ResolveRequest) (auth.Credential, error) {
	if len(r.Methods) > 0 { // asked to take its time
		i.entered <- struct{}{}
		<-i.leave
	}
	return auth.Credential{Handle: i.name, Generation: i.env.Generation}, nil
}

func (i *testInstance) Watch(ctx context.Context, each func(auth.Event) error) error {
	if err := each(auth.Event{Kind: auth.BackendUp}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (i *testInstance) Close(context.Context) error {
	i.closed <- i.name
	return nil
}

// rig is a served Spec and its clients.
type rig struct {
	base           *plugingrpc.BaseClient
	auth           *plugingrpc.AuthClient
	entered, leave chan struct{}
	closed         chan string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{entered: make(chan struct{}), leave: make(chan struct{}), closed: make(chan string, 4)}
	spec := Spec{
		Name: "test", Version: "1", Vendor: "v", Features: []string{"f"},
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			if strings.Contains(string(v.JSON), "invalid") {
				return config.Errorf([]string{"name"}, "V1", "invalid", "as told")
			}
			return nil
		},
		Auth: func(_ context.Context, v config.Value, env Env) (auth.Authenticator, config.Diagnostics) {
			var c struct{ Name string }
			switch err := v.Decode(&c); {
			case err != nil:
				return nil, config.Errorf(nil, "V2", "unreadable", "%v", err)
			case c.Name == "nothing":
				return nil, nil
			}
			return &testInstance{env: env, name: c.Name, entered: r.entered, leave: r.leave, closed: r.closed}, nil
		},
		Health: func(context.Context) Health {
			return Health{State: Degraded, Detail: "so so", Since: time.Unix(1, 0).UTC(), Counters: map[string]int64{"keys": 2}}
		},
	}
	lis := bufconn.Listen(1 << 16)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ServeListener(ctx, spec, lis, slog.New(slog.DiscardHandler)) }()
	cc, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close(); cancel(); <-served })
	r.base, r.auth = plugingrpc.NewBaseClient(cc), plugingrpc.NewAuthClient(cc)
	return r
}

func (r *rig) configure(t *testing.T, cfg string, generation uint64) (config.Diagnostics, error) {
	t.Helper()
	_, diags, err := r.base.Configure(t.Context(), plugingrpc.Configuration{JSON: []byte(cfg), Generation: generation})
	return diags, err
}

func (r *rig) current(t *testing.T) string {
	t.Helper()
	c, err := r.auth.Resolve(t.Context(), auth.ResolveRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Handle
}

func TestBeforeItIsConfiguredAPluginOnlySaysWhatItIs(t *testing.T) {
	r := newRig(t)
	info, err := r.base.Info(t.Context(), "1", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := plugingrpc.Info{Name: "test", Version: "1", Vendor: "v", Services: []string{plugingrpc.AuthService}, Features: []string{"f"}}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	_, err = r.auth.Resolve(t.Context(), auth.ResolveRequest{})
	if e := errs.From(err); e.Reason != errs.Unavailable || e.PluginGone {
		t.Errorf("a call before Configure: %v", err)
	}
	h, err := r.base.Health(t.Context())
	wantHealth := plugingrpc.Health{State: plugingrpc.Degraded, Detail: "so so", Since: time.Unix(1, 0).UTC(), Counters: map[string]int64{"keys": 2}}
	if diff := cmp.Diff(wantHealth, h); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestAConfigurationThatFailsLeavesTheOldInstance(t *testing.T) {
	r := newRig(t)
	if _, err := r.configure(t, `{"name":"good"}`, 1); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`{"name":"invalid"}`, `{"name":7}`} {
		if diags, err := r.configure(t, bad, 2); err != nil || !diags.HasErrors() {
			t.Errorf("%s: %v, %v", bad, diags, err)
		}
	}
	if _, err := r.configure(t, `{"name":"nothing"}`, 2); errs.From(err).Reason != errs.Internal {
		t.Errorf("a factory without instance and error: %v", err)
	}
	if got := r.current(t); got != "good" || len(r.closed) > 0 {
		t.Errorf("current instance %q, %d closed", got, len(r.closed))
	}
}

func TestAReplacedInstanceFinishesItsCallsAndIsClosedThen(t *testing.T) {
	r := newRig(t)
	if _, err := r.configure(t, `{"name":"old"}`, 1); err != nil {
		t.Fatal(err)
	}
	slow := make(chan string, 1)
	go func() {
		c, err := r.auth.Resolve(t.Context(), auth.ResolveRequest{Methods: []auth.Method{1}})
		if err != nil {
			t.Error(err)
		}
		slow <- c.Handle
	}()
	<-r.entered
	if _, err := r.configure(t, `{"name":"new"}`, 2); err != nil {
		t.Fatal(err)
	}
	if got := r.current(t); got != "new" {
		t.Errorf("a call after Configure reached %q", got)
	}
	if len(r.closed) != 0 {
		t.Error("closed while a call was running")
	}
	close(r.leave)
	if got := <-slow; got != "old" {
		t.Errorf("the running call was answered by %q", got)
	}
	if got := <-r.closed; got != "old" {
		t.Errorf("%q was closed", got)
	}
	if err := r.base.Shutdown(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
	if got := <-r.closed; got != "new" {
		t.Errorf("Shutdown closed %q", got)
	}
}

func TestStreamsOfAReplacedInstanceEndAsStale(t *testing.T) {
	r := newRig(t)
	if _, err := r.configure(t, `{"name":"old"}`, 1); err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- r.auth.Watch(t.Context(), func(auth.Event) error { close(up); return nil })
	}()
	<-up
	if _, err := r.configure(t, `{"name":"new"}`, 2); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; errs.From(err).Reason != errs.Stale {
		t.Errorf("got %v, want STALE", err)
	}
}

func TestConfigureTellsWhichServicesTheInstanceHas(t *testing.T) {
	r := newRig(t)
	services, _, err := r.base.Configure(t.Context(), plugingrpc.Configuration{JSON: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{plugingrpc.AuthService, plugingrpc.WatchService}, services); diff != "" {
		t.Error(diff)
	}
}

func TestASpecWithAFaultIsNotServed(t *testing.T) {
	factory := func(context.Context, config.Value, Env) (auth.Authenticator, config.Diagnostics) { return nil, nil }
	for name, s := range map[string]Spec{"no name": {Auth: factory}, "no kind": {Name: "x"}} {
		if err := ServeListener(t.Context(), s, nil, nil); err == nil {
			t.Errorf("%s: served", name)
		}
	}
}

func TestDescribePrintsInfoAndSchemaAsJSON(t *testing.T) {
	var out bytes.Buffer
	spec := Spec{
		Name: "vault", Version: "1", Vendor: "v", Privileges: Privileges{Network: true},
		Schema: &config.Schema{Version: 1, Body: config.Body{Attrs: []config.Attr{{Name: "address", Type: "string", Required: true}}}},
		Auth:   func(context.Context, config.Value, Env) (auth.Authenticator, config.Diagnostics) { return nil, nil },
	}
	if err := describe(&out, &spec); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"info": map[string]any{
			"name": "vault", "version": "1", "vendor": "v", "services": []any{plugingrpc.AuthService},
			"privileges": map[string]any{"network": true},
		},
		"schema": map[string]any{"version": 1.0, "body": map[string]any{
			"attributes": []any{map[string]any{"name": "address", "type": "string", "required": true}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLogLinesAreWhatTheHostReads(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, slog.Level(-8))
	for level, name := range map[slog.Level]string{8: "error", 4: "warn", 2: "notice", 0: "info", -4: "debug", -8: "trace", -20: ""} {
		out.Reset()
		log.Log(t.Context(), level, "hello", "level", "mine", "n", 1)
		if name == "" {
			if out.Len() > 0 {
				t.Errorf("level %d was written", level)
			}
			continue
		}
		var line map[string]any
		if err := json.NewDecoder(io.LimitReader(&out, 1<<16)).Decode(&line); err != nil {
			t.Fatal(err)
		}
		delete(line, "@timestamp")
		if diff := cmp.Diff(map[string]any{"@level": name, "@message": "hello", "level": "mine", "n": 1.0}, line); diff != "" {
			t.Error(diff)
		}
	}
}

// TestAConfigurationIsOverwritten when it has been dealt with: it may hold secrets.
func TestAConfigurationIsOverwritten(t *testing.T) {
	var got []byte
	s := newServer(Spec{Name: "test", Validate: func(_ context.Context, v config.Value) config.Diagnostics {
		got = v.JSON
		return config.Diagnostics{{Summary: "no"}}
	}, Auth: func(context.Context, config.Value, Env) (auth.Authenticator, config.Diagnostics) { return nil, nil }},
		slog.New(slog.DiscardHandler), new(slog.LevelVar))
	for name, call := range map[string]func(text []byte) error{
		"Validate": func(text []byte) error {
			_, err := s.ValidateConfig(t.Context(), &basev1.ValidateConfigRequest{ConfigJson: text})
			return err
		},
		"Configure": func(text []byte) error {
			_, err := s.Configure(t.Context(), &basev1.ConfigureRequest{ConfigJson: text})
			return err
		},
	} {
		text := []byte(`{"use":"literal:c2VjcmV0"}`)
		if err := call(text); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, make([]byte, len(text))) {
			t.Errorf("%s leaves %q", name, got)
		}
	}
}

package plugingrpc

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// echo implements every interface of every kind: it keeps what it was asked and
// answers with filled values.
type echo struct{ asked any }

func answer[T any](e *echo, asked any) (T, error) { e.asked = asked; return filled[T](), nil }

func (e *echo) Capabilities(context.Context) (auth.Capabilities, error) {
	return answer[auth.Capabilities](e, nil)
}
func (e *echo) Resolve(_ context.Context, r auth.ResolveRequest) (auth.Credential, error) {
	return answer[auth.Credential](e, r)
}
func (e *echo) DeriveSKEYIDs(_ context.Context, r []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	return answer[[]auth.SKEYIDResult](e, r)
}
func (e *echo) Sign(_ context.Context, r []auth.SignRequest) ([]auth.Signature, error) {
	return answer[[]auth.Signature](e, r)
}
func (e *echo) VerifyPeers(_ context.Context, r []auth.VerifyRequest) ([]auth.Verdict, error) {
	e.asked = r
	return []auth.Verdict{{Accepted: true, Subject: "CN=a"}, {Reason: auth.RejectPolicy, Detail: "no"}}, nil
}
func (e *echo) Decrypt(_ context.Context, r auth.DecryptRequest) (secret.Bytes, error) {
	return answer[secret.Bytes](e, r)
}
func (e *echo) XAuth(_ context.Context, r auth.XAuthRequest) (auth.XAuthStep, error) {
	return answer[auth.XAuthStep](e, r)
}
func (e *echo) XAuthReply(_ context.Context, r auth.XAuthPrompt) ([]auth.Attr, error) {
	return answer[[]auth.Attr](e, r)
}
func (e *echo) Attributes(_ context.Context, s auth.Session) (auth.AttributeReply, error) {
	return answer[auth.AttributeReply](e, s)
}
func (e *echo) Release(_ context.Context, l auth.Lease) error { e.asked = l; return nil }
func (e *echo) Account(_ context.Context, r auth.AccountRecord) error {
	e.asked = r
	return nil
}
func (e *echo) Watch(_ context.Context, each func(auth.Event) error) error {
	return each(filled[auth.Event]())
}

// echoKernel is echo for the methods whose names auth has taken.
type echoKernel struct{ echo }

func (e *echoKernel) Capabilities(context.Context) (kernel.Capabilities, error) {
	return answer[kernel.Capabilities](&e.echo, nil)
}
func (e *echoKernel) SocketOptions(_ context.Context, r kernel.SocketRole, f kernel.Family) (kernel.SocketSetup, error) {
	return answer[kernel.SocketSetup](&e.echo, []int{int(r), int(f)})
}
func (e *echoKernel) AllocateSPIs(_ context.Context, r []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	return answer[[]kernel.SPIResult](&e.echo, r)
}
func (e *echoKernel) Apply(_ context.Context, r []kernel.Transaction) ([]kernel.TxnResult, error) {
	return answer[[]kernel.TxnResult](&e.echo, r)
}
func (e *echoKernel) Query(_ context.Context, r []kernel.Key) ([]kernel.Stats, error) {
	return answer[[]kernel.Stats](&e.echo, r)
}
func (e *echoKernel) Dump(_ context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	e.asked = f
	for range chunk + 1 {
		if err := each(filled[kernel.Object]()); err != nil {
			return err
		}
	}
	return nil
}
func (e *echoKernel) Events(ctx context.Context, m kernel.EventMask, each func(kernel.Event) error) error {
	e.asked = m
	return each(filled[kernel.Event]())
}
func (e *echoKernel) LookupRoutes(_ context.Context, r []kernel.RouteQuery) ([]kernel.Route, error) {
	return answer[[]kernel.Route](&e.echo, r)
}
func (e *echoKernel) Bind(_ context.Context, a netip.AddrPort) error { e.asked = a; return nil }
func (e *echoKernel) Send(_ context.Context, d []kernel.Datagram) error {
	e.asked = d
	return nil
}
func (e *echoKernel) Receive(_ context.Context, each func(kernel.Batch) error) error {
	return each(filled[kernel.Batch]())
}

type echoLog struct{ echo }

func (e *echoLog) Write(_ context.Context, b logsink.Batch) error { e.asked = b; return nil }
func (e *echoLog) Flush(context.Context) error                    { e.asked = "flush"; return nil }
func (e *echoLog) Reopen(context.Context) error                   { e.asked = "reopen"; return nil }

// asks sends a filled request through f and checks what arrived and what came back.
func asks[Req, Res any](t *testing.T, name string, e *echo, f func(context.Context, Req) (Res, error)) {
	t.Helper()
	req := filled[Req]()
	res, err := f(t.Context(), req)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if diff := cmp.Diff(any(req), e.asked, compare); diff != "" {
		t.Errorf("%s: asked (-sent +arrived):\n%s", name, diff)
	}
	if diff := cmp.Diff(filled[Res](), res, compare); diff != "" {
		t.Errorf("%s: answered (-want +got):\n%s", name, diff)
	}
}

// tells is asks for a method that only fails.
func tells[Req any](t *testing.T, name string, e *echo, f func(context.Context, Req) error) {
	t.Helper()
	asks(t, name, e, func(ctx context.Context, r Req) (struct{}, error) { return struct{}{}, f(ctx, r) })
}

// streams checks that each of n items arrives.
func streams[T any](t *testing.T, name string, n int, f func(context.Context, func(T) error) error) {
	t.Helper()
	err := f(t.Context(), func(v T) error {
		n--
		if diff := cmp.Diff(filled[T](), v, compare); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		return nil
	})
	if err != nil || n != 0 {
		t.Errorf("%s: %d items are missing, %v", name, n, err)
	}
}

func TestEveryMethodReachesItsPlugin(t *testing.T) {
	a, k, l := new(echo), new(echoKernel), new(echoLog)
	lis := bufconn.Listen(1 << 16)
	g := grpc.NewServer(ServerOptions()...)
	RegisterAuth(g, Fixed[auth.Authenticator](a))
	RegisterKernel(g, Fixed[kernel.Backend](k))
	RegisterLog(g, Fixed[logsink.Sink](l))
	go g.Serve(lis)
	cc, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close(); g.Stop() })

	ac := NewAuthClient(cc)
	asks(t, "Resolve", a, ac.Resolve)
	asks(t, "DeriveSKEYIDs", a, ac.DeriveSKEYIDs)
	asks(t, "Sign", a, ac.Sign)
	asks(t, "Decrypt", a, ac.Decrypt)
	asks(t, "XAuth", a, ac.XAuth)
	asks(t, "XAuthReply", a, ac.XAuthReply)
	asks(t, "Attributes", a, ac.Attributes)
	tells(t, "Release", a, ac.Release)
	tells(t, "Account", a, ac.Account)
	streams(t, "Watch", 1, ac.Watch)
	verdicts, err := ac.VerifyPeers(t.Context(), filled[[]auth.VerifyRequest]())
	want := []auth.Verdict{{Accepted: true, Subject: "CN=a"}, {Reason: auth.RejectPolicy, Detail: "no"}}
	if diff := cmp.Diff(want, verdicts, compare); diff != "" || err != nil {
		t.Errorf("VerifyPeers: %v %s", err, diff)
	}
	if c, err := ac.Capabilities(t.Context()); err != nil || !cmp.Equal(c, filled[auth.Capabilities]()) {
		t.Errorf("auth capabilities: %+v, %v", c, err)
	}

	kc := NewKernelClient(cc)
	asks(t, "AllocateSPIs", &k.echo, kc.AllocateSPIs)
	asks(t, "Apply", &k.echo, kc.Apply)
	asks(t, "Query", &k.echo, kc.Query)
	asks(t, "LookupRoutes", &k.echo, kc.LookupRoutes)
	tells(t, "Bind", &k.echo, func(ctx context.Context, a netip.AddrPort) error { return kc.Bind(ctx, a) })
	tells(t, "Send", &k.echo, kc.Send)
	streams(t, "Receive", 1, kc.Receive)
	streams(t, "Dump", chunk+1, func(ctx context.Context, each func(kernel.Object) error) error {
		return kc.Dump(ctx, filled[kernel.DumpFilter](), each)
	})
	if diff := cmp.Diff(any(filled[kernel.DumpFilter]()), k.asked); diff != "" {
		t.Error(diff)
	}
	streams(t, "Events", 1, func(ctx context.Context, each func(kernel.Event) error) error {
		return kc.Events(ctx, kernel.MaskOf(kernel.Acquire), each)
	})
	setup, err := kc.SocketOptions(t.Context(), kernel.SocketNATT, kernel.IPv6)
	if err != nil || !cmp.Equal(setup, filled[kernel.SocketSetup]()) || !cmp.Equal(k.asked, []int{2, 6}) {
		t.Errorf("SocketOptions: %+v, asked %v, %v", setup, k.asked, err)
	}
	if _, err := kc.SocketOptions(t.Context(), 77, kernel.IPv6); errs.From(err).Reason != errs.Unsupported {
		t.Errorf("an unknown socket role: %v", err)
	}

	lc := NewLogClient(cc)
	tells(t, "Write", &l.echo, lc.Write)
	for name, f := range map[string]func(context.Context) error{"flush": lc.Flush, "reopen": lc.Reopen} {
		if err := f(t.Context()); err != nil || l.asked != name {
			t.Errorf("%s: asked %v, %v", name, l.asked, err)
		}
	}
}

func TestAnOptionalServiceThatIsMissingIsUnsupported(t *testing.T) {
	services := AuthServices(bare{})
	if diff := cmp.Diff([]string{AuthService}, services); diff != "" {
		t.Error(diff)
	}
	if got := len(AuthServices(new(echo))); got != 7 {
		t.Errorf("%d services of an implementation of everything, want 7", got)
	}
	if got := len(KernelServices(new(echoKernel))); got != 2 {
		t.Errorf("%d kernel services, want 2", got)
	}
	_, err := call(Fixed[auth.Authenticator](bare{}), func(auth.XAuthServer) (int, error) { return 0, nil })
	if e := errs.From(err); e.Reason != errs.Unsupported || e.Msg != "the plugin does not implement auth.XAuthServer" {
		t.Errorf("got %v", err)
	}
}

type bare struct{ auth.Authenticator }

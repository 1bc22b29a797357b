package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// fake is a daemon that answers what it is told to and remembers what it was asked.
type fake struct {
	statuses  []ike.Status
	establish func(context.Context) error
	gone      map[uint32]bool // SPIs that end between the look and the delete
	reload    func() (ReloadResult, error)

	mu          sync.Mutex
	established []EstablishRequest
	deleted     []string
	readers     map[int]func(notice.Notice)
	next        int
}

func (f *fake) Statuses(context.Context) ([]ike.Status, error) { return f.statuses, nil }

func (f *fake) Establish(ctx context.Context, r EstablishRequest) error {
	f.mu.Lock()
	f.established = append(f.established, r)
	f.mu.Unlock()
	if f.establish != nil {
		return f.establish(ctx)
	}
	return nil
}

func (f *fake) Delete(_ context.Context, peer ike.PeerKey, spi uint32) error {
	if f.gone[spi] {
		return errs.Errorf(errs.NotFound, "gone")
	}
	f.deleted = append(f.deleted, fmt.Sprintf("%s %#x", peer.Block, spi))
	return nil
}

func (f *fake) Reload(context.Context) (ReloadResult, error)     { return f.reload() }
func (f *fake) PlanReload(context.Context) (ReloadResult, error) { return f.reload() }

func (f *fake) Subscribe(fn func(notice.Notice)) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers == nil {
		f.readers = make(map[int]func(notice.Notice))
	}
	id := f.next
	f.next++
	f.readers[id] = fn
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, id)
	}
}

func (f *fake) tell(n notice.Notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fn := range f.readers {
		fn(n)
	}
}

// world is a server on a real socket and a client of it.
func world(t *testing.T, f *fake) (*control.Client, *Server) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, policy.AdminSock{Path: path})
	s := NewServer(f, About{Version: "1.2.3", Started: time.Unix(1_700_000_000, 0)})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, err := control.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c, s
}

var (
	here  = netip.MustParseAddrPort("192.0.2.1:500")
	there = netip.MustParseAddrPort("[::ffff:192.0.2.2]:4500")
	net1  = netip.MustParsePrefix("10.1.0.0/16")
	net2  = netip.MustParsePrefix("10.2.0.0/24")
	since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// tunnel is a peer with one of everything.
func tunnel(name string, spi uint32) ike.Status {
	return ike.Status{
		Key:  ike.PeerKey{Block: name, User: "carol"},
		Path: ike.Path{Local: here, Remote: there},
		ISAKMP: []ike.ISAKMPStatus{{CkyI: isakmp.Cookie{1, 2, 3, 4, 5, 6, 7, 8}, CkyR: isakmp.Cookie{0xa, 0xb}, Path: ike.Path{Local: here, Remote: there},
			Initiator: true, Remote: name, PeerID: "fqdn x", Encryption: "aes-cbc-128", Hash: "sha256", Group: "modp2048", Since: since, Expire: since.Add(8 * time.Hour),
			Mode: policy.Aggressive, NAT: "local", DPD: true, Fragments: true}},
		IPsec: []ike.IPsecStatus{{Local: here.Addr(), Remote: there.Addr(), Selector: policy.Selector{Local: net1, Remote: net2, LocalPort: 80, RemotePort: 90, Proto: 6},
			Proto: 50, Mode: spd.Tunnel, SPIIn: spi, SPIOut: spi + 1, ReqIDIn: 3, ReqIDOut: 4, Encryption: "aes-gcm-16-128", Auth: "none",
			Initiator: true, Outbound: true, Replaced: true, Since: since, Soft: 48 * time.Minute, Hard: time.Hour,
			HardKB: 4608000, EncapLocal: 4500, EncapRemote: 30001}},
		Exchanges: []ike.ExchangeStatus{{Exchange: isakmp.ExchangeType(32), CkyI: isakmp.Cookie{1}, CkyR: isakmp.Cookie{2}, MsgID: 0xdead, Initiator: true, Step: 2, Waiting: "DHShared", Since: since}},
		Queued:    5,
	}
}

func all(t *testing.T, c *control.Client, remote netip.Addr) (peers []control.Peer) {
	t.Helper()
	for p, err := range c.SAs(t.Context(), remote) {
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, p)
	}
	return peers
}

func TestEveryFieldOfAPeerArrives(t *testing.T) {
	c, _ := world(t, &fake{statuses: []ike.Status{tunnel("office", 0xc0ffee00)}})
	far := netip.MustParseAddr("192.0.2.2")
	want := []control.Peer{{
		Section: "office", Local: here, Remote: netip.AddrPortFrom(far, 4500), User: "carol", Queued: 5,
		ISAKMP: []control.ISAKMPSA{{Cookies: "0102030405060708:0a0b000000000000", Local: here, Remote: netip.AddrPortFrom(far, 4500), Initiator: true,
			PeerID: "fqdn x", Encryption: "aes-cbc-128", Hash: "sha256", Group: "modp2048", Since: since, Expire: since.Add(8 * time.Hour),
			Exchange: "aggressive", NAT: "local", DPD: true, Fragments: true}},
		IPsec: []control.IPsecSA{{Proto: "esp", Mode: "tunnel", Local: here.Addr(), Remote: far,
			Selector: control.Selector{Local: net1, Remote: net2, LocalPort: 80, RemotePort: 90, Proto: 6}, SPIIn: 0xc0ffee00, SPIOut: 0xc0ffee01,
			ReqIDIn: 3, ReqIDOut: 4, Encryption: "aes-gcm-16-128", Auth: "none", Initiator: true, Outbound: true, Replaced: true, Since: since, Soft: 2880, Hard: 3600,
			HardKB: 4608000, EncapLocal: 4500, EncapRemote: 30001}},
		Exchanges: []control.Exchange{{Exchange: isakmp.ExchangeType(32).String(), Cookies: "0100000000000000:0200000000000000", MsgID: "0000dead",
			Initiator: true, Step: 2, Waiting: "DHShared", Since: since}},
	}}
	if d := cmp.Diff(want, all(t, c, netip.Addr{}), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestManyPeersComeInOrderAndFiltered(t *testing.T) {
	f := &fake{}
	for i := range 3*entriesPer + 1 {
		st := ike.Status{Key: ike.PeerKey{Block: fmt.Sprint(i)}}
		if i%2 == 1 {
			st.Path.Remote = there
		}
		f.statuses = append(f.statuses, st)
	}
	c, _ := world(t, f)
	got := all(t, c, netip.Addr{})
	for i, p := range got {
		if p.Section != fmt.Sprint(i) {
			t.Fatalf("peer %d is %s", i, p.Section)
		}
	}
	if len(got) != len(f.statuses) {
		t.Errorf("%d peers, want %d", len(got), len(f.statuses))
	}
	if got := all(t, c, there.Addr().Unmap()); len(got) != len(f.statuses)/2 {
		t.Errorf("filtered: %d peers, want %d", len(got), len(f.statuses)/2)
	}
	n := 0
	for range c.SAs(t.Context(), netip.Addr{}) { // leaving early must not hurt the next request
		if n++; n == 2 {
			break
		}
	}
	if got := all(t, c, netip.Addr{}); len(got) != len(f.statuses) {
		t.Errorf("after leaving early: %d peers", len(got))
	}
}

func TestAPeerWithVeryManySAsArrives(t *testing.T) {
	st := tunnel("hub", 1)
	for i := range uint32(40_000) {
		sa := st.IPsec[0]
		sa.SPIIn = i + 10
		st.IPsec = append(st.IPsec, sa)
	}
	c, _ := world(t, &fake{statuses: []ike.Status{st}})
	got := all(t, c, netip.Addr{})
	if len(got) != 1 || len(got[0].IPsec) != 40_001 || got[0].IPsec[40_000].SPIIn != 40_009 {
		t.Errorf("%d peers", len(got))
	}
}

func TestVersion(t *testing.T) {
	c, _ := world(t, &fake{})
	v, err := c.Version(t.Context())
	if err != nil || v.Version != "1.2.3" || !v.Started.Equal(time.Unix(1_700_000_000, 0)) || v.PID == 0 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestEstablishAsksTheDaemonForWhatTheClientWants(t *testing.T) {
	f := &fake{}
	c, _ := world(t, f)
	ctx := t.Context()
	ends := control.EndPoints{Local: here.Addr(), Remote: there.Addr()}
	for _, err := range []error{
		c.EstablishISAKMP(ctx, ends, "office"),
		c.EstablishPeer(ctx, control.EndPoints{Remote: there.Addr()}, ""),
		c.EstablishPolicy(ctx, control.Policy{Proto: "ah", Selector: control.Selector{Local: net1, Remote: netip.MustParsePrefix("10.2.0.9/24"), RemotePort: 53, Proto: 17}}, ""),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	far := there.Addr().Unmap()
	want := []EstablishRequest{
		{What: EstablishISAKMP, Local: here.Addr(), Remote: far, Section: "office"},
		{What: EstablishPeer, Remote: far},
		{What: EstablishPolicy, Proto: 51, Selector: policy.Selector{Local: net1, Remote: net2, RemotePort: 53, Proto: 17}},
	}
	if d := cmp.Diff(want, f.established, cmpopts.EquateComparable(netip.Addr{}, policy.Selector{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRequestsThatMakeNoSenseAreInvalid(t *testing.T) {
	f := &fake{}
	c, _ := world(t, f)
	ctx := t.Context()
	v6 := netip.MustParsePrefix("2001:db8::/32")
	tests := []struct {
		name string
		err  error
	}{
		{"no remote address", c.EstablishISAKMP(ctx, control.EndPoints{}, "")},
		{"no protocol", c.EstablishPolicy(ctx, control.Policy{Selector: control.Selector{Local: net1, Remote: net2}}, "")},
		{"no networks", c.EstablishPolicy(ctx, control.Policy{Proto: "esp"}, "")},
		{"two families", c.EstablishPolicy(ctx, control.Policy{Proto: "esp", Selector: control.Selector{Local: net1, Remote: v6}}, "")},
		{"SPI 0", second(c.DeleteSPI(ctx, 0))},
		{"delete without a peer", second(c.DeletePeer(ctx, control.EndPoints{}))},
		{"delete without a policy", second(c.DeletePolicy(ctx, control.Policy{Proto: "esp"}))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !errors.Is(tt.err, &errs.Error{Reason: errs.Invalid}) {
				t.Errorf("%v, want invalid", tt.err)
			}
		})
	}
	if len(f.established)+len(f.deleted) > 0 {
		t.Error("the daemon was asked")
	}
}

func second[T any](_ T, err error) error { return err }

func TestDeletePicksWhatIsMeant(t *testing.T) {
	a, b := tunnel("a", 0x100), tunnel("b", 0x200)
	b.Path.Remote = netip.MustParseAddrPort("192.0.2.3:500")
	b.IPsec = append(b.IPsec, b.IPsec[0])
	b.IPsec[1].SPIIn, b.IPsec[1].SPIOut, b.IPsec[1].Selector.Proto = 0x300, 0x101, 17
	sel := control.Selector{Local: net1, Remote: net2, LocalPort: 80, RemotePort: 90, Proto: 6}
	tests := []struct {
		name string
		ask  func(*control.Client, context.Context) (int, error)
		gone map[uint32]bool
		want []string // nil: not found
	}{
		{name: "an inbound SPI", ask: func(c *control.Client, ctx context.Context) (int, error) { return c.DeleteSPI(ctx, 0x100) }, want: []string{"a 0x100"}},
		{name: "an outbound SPI of two peers", ask: func(c *control.Client, ctx context.Context) (int, error) { return c.DeleteSPI(ctx, 0x101) }, want: []string{"a 0x100", "b 0x300"}},
		{name: "an SPI nobody has", ask: func(c *control.Client, ctx context.Context) (int, error) { return c.DeleteSPI(ctx, 9) }},
		{name: "one that ends meanwhile", ask: func(c *control.Client, ctx context.Context) (int, error) { return c.DeleteSPI(ctx, 0x100) }, gone: map[uint32]bool{0x100: true}},
		{name: "a selector of two peers", ask: func(c *control.Client, ctx context.Context) (int, error) {
			return c.DeletePolicy(ctx, control.Policy{Proto: "esp", Selector: sel})
		}, want: []string{"a 0x100", "b 0x200"}},
		{name: "the selector of another protocol", ask: func(c *control.Client, ctx context.Context) (int, error) {
			return c.DeletePolicy(ctx, control.Policy{Proto: "ah", Selector: sel})
		}},
		{name: "a peer", ask: func(c *control.Client, ctx context.Context) (int, error) {
			return c.DeletePeer(ctx, control.EndPoints{Remote: netip.MustParseAddr("192.0.2.3")})
		}, want: []string{"b 0x0"}},
		{name: "a peer from our address", ask: func(c *control.Client, ctx context.Context) (int, error) {
			return c.DeletePeer(ctx, control.EndPoints{Local: here.Addr(), Remote: there.Addr()})
		}, want: []string{"a 0x0"}},
		{name: "a peer from another address", ask: func(c *control.Client, ctx context.Context) (int, error) {
			return c.DeletePeer(ctx, control.EndPoints{Local: netip.MustParseAddr("192.0.2.9"), Remote: there.Addr()})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{statuses: []ike.Status{a, b}, gone: tt.gone}
			c, _ := world(t, f)
			n, err := tt.ask(c, t.Context())
			if tt.want == nil {
				if !errors.Is(err, &errs.Error{Reason: errs.NotFound}) {
					t.Errorf("%d, %v, want not found", n, err)
				}
				return
			}
			if d := cmp.Diff(tt.want, f.deleted); d != "" || err != nil || n != len(tt.want) {
				t.Errorf("%d, %v, (-want +got):\n%s", n, err, d)
			}
		})
	}
}

func TestErrorsKeepTheirReason(t *testing.T) {
	for _, r := range []errs.Reason{errs.Unavailable, errs.Busy, errs.NotFound, errs.Exists, errs.Unsupported, errs.Permission, errs.Invalid,
		errs.NeedOperator, errs.Stale, errs.Timeout, errs.Internal, "SOMETHING_NEW"} {
		c, _ := world(t, &fake{establish: func(context.Context) error {
			return fmt.Errorf("engine: %w", errs.Errorf(r, "line one\nline „two“"))
		}})
		err := c.EstablishPeer(t.Context(), control.EndPoints{Remote: here.Addr()}, "")
		var e *errs.Error
		if !errors.As(err, &e) || e.Reason != r || e.Msg != "line one\nline „two“" {
			t.Errorf("%s arrives as %#v", r, err)
		}
	}
	c, _ := world(t, &fake{establish: func(context.Context) error { return errors.New("something else") }})
	if err := c.EstablishPeer(t.Context(), control.EndPoints{Remote: here.Addr()}, ""); !errors.Is(err, &errs.Error{Reason: errs.Internal}) || !strings.Contains(err.Error(), "something else") {
		t.Errorf("another error arrives as %v", err)
	}
}

func TestReload(t *testing.T) {
	gw := &policy.Remote{Name: "gw"}
	plan := policy.NewPlan(&policy.Config{Remotes: []*policy.Remote{gw}}, &policy.Config{Remotes: []*policy.Remote{gw, {Name: "new"}}, SAInfos: []*policy.SAInfo{{RemoteID: 7}}, Log: policy.LogDebug})
	res := ReloadResult{Generation: 7, Findings: []string{"racoon.conf:3: weak"}, Plan: plan}
	f := &fake{reload: func() (ReloadResult, error) { return res, nil }}
	c, _ := world(t, f)
	none := []string{}
	changes := control.Changes{Remotes: control.SectionChanges{Added: []string{"new"}, Removed: none, Changed: none, Kept: 1},
		SAInfos: control.SectionChanges{Added: []string{"anonymous (remoteid 7)"}, Removed: none, Changed: none}, Others: []string{"log"}}
	got, err := c.Reload(t.Context())
	if d := cmp.Diff(control.Reload{Generation: 7, Findings: res.Findings, Changes: changes}, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	planned, err := c.PlanReload(t.Context())
	if d := cmp.Diff(control.ReloadPlan{Findings: res.Findings, Changes: changes}, planned); d != "" || err != nil {
		t.Errorf("planned: %v %s", err, d)
	}
	f.reload = func() (ReloadResult, error) { return res, errs.Errorf(errs.Invalid, "racoon.conf:3: no") }
	if _, err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "racoon.conf:3: no") {
		t.Errorf("rejected: %v", err)
	}
	if _, err := c.PlanReload(t.Context()); err == nil || !strings.Contains(err.Error(), "racoon.conf:3: no") {
		t.Errorf("it would be rejected: %v", err)
	}
}

func TestMonitorTellsEverythingAfterReady(t *testing.T) {
	f := &fake{}
	c, _ := world(t, f)
	n := notice.Notice{Event: notice.Phase2Failed, Reason: notice.NoProposal, Remote: "office", Local: here, Peer: there, CkyI: isakmp.Cookie{1}, CkyR: isakmp.Cookie{2},
		Exchange: isakmp.ExchangeType(32), MsgID: 0xbeef, Step: 2, Proto: 50, SPI: 1, SPIOut: 2, Plugin: "auth/psk", Detail: "why"}
	before := time.Now()
	var got []control.Notice
	for g, err := range c.Monitor(t.Context(), func() { f.tell(n); f.tell(notice.Notice{Event: notice.Starting}) }) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, g); len(got) == 2 {
			break
		}
	}
	if got[0].Time.Before(before.Add(-time.Second)) || got[0].Time.After(time.Now().Add(time.Second)) {
		t.Errorf("time %v", got[0].Time)
	}
	want := []control.Notice{
		{Event: "phase2-failed", Reason: "no-proposal", Level: 4, Text: n.String(), Section: "office", Local: "192.0.2.1:500", Remote: "192.0.2.2:4500",
			Cookies: "0100000000000000:0200000000000000", Exchange: isakmp.ExchangeType(32).String(), MsgID: "0000beef", Step: 2, Proto: "esp", SPIIn: 1, SPIOut: 2, Plugin: "auth/psk"},
		{Event: "starting", Text: "racoon starting"},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(control.Notice{}, "Time")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAMonitorThatStallsLosesNoticesAndIsTold(t *testing.T) {
	q := newQueue()
	for range monitorBuf + 3 {
		q.put(noticeToProto(notice.Notice{Event: notice.Sent}, time.Now()))
	}
	<-q.filled
	got := q.take()
	if len(got) != monitorBuf+1 || got[monitorBuf].GetDropped() != 3 {
		t.Fatalf("%d messages, the last %v", len(got), got[len(got)-1])
	}
	q.put(noticeToProto(notice.Notice{Event: notice.Sent}, time.Now()))
	<-q.filled
	if got := q.take(); len(got) != 1 || got[0].GetNotice() == nil {
		t.Errorf("afterwards: %v", got)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	asked := make(chan struct{})
	left := make(chan struct{})
	f := &fake{establish: func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		close(left)
		return ctx.Err()
	}}
	c, s := world(t, f)
	results := make(chan error, 2)
	go func() { results <- c.EstablishPeer(t.Context(), control.EndPoints{Remote: here.Addr()}, "") }()
	ready := make(chan struct{})
	go func() {
		for _, err := range c.Monitor(t.Context(), func() { close(ready) }) {
			results <- err
		}
	}()
	<-asked
	<-ready
	s.Close()
	select {
	case <-left:
	default:
		t.Error("Close returned while the daemon was being asked")
	}
	if len(f.readers) != 0 {
		t.Error("the monitor is still subscribed")
	}
	for range 2 {
		if err := <-results; !errors.Is(err, &errs.Error{Reason: errs.Unavailable}) {
			t.Errorf("%v, want unavailable", err)
		}
	}
}

func TestDialSaysWhyThereIsNoDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	if _, err := control.Dial(path); !errors.Is(err, &errs.Error{Reason: errs.Unavailable}) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestAClientsDeadlineEndsTheWaiting(t *testing.T) {
	f := &fake{establish: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	c, _ := world(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.EstablishPeer(ctx, control.EndPoints{Remote: here.Addr()}, ""); !errors.Is(err, &errs.Error{Reason: errs.Timeout}) {
		t.Errorf("%v, want a timeout", err)
	}
}

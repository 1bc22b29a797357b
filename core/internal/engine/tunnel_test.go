package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// onePSK is an authentication plugin in our own process, with one key for everybody.
type onePSK struct {
	auth.Authenticator
	key []byte // nil: there is none
}

func (p onePSK) DeriveSKEYIDs(_ context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	out := make([]auth.SKEYIDResult, len(rs))
	for i, r := range rs {
		if p.key == nil {
			out[i].Err = errs.Errorf(errs.NotFound, "no key")
			continue
		}
		out[i].Candidates = []auth.SKEYIDCandidate{{SKEYID: oakley.SKEYIDFromPSK(oakley.Hash(r.PRF), p.key, r.Ni, r.Nr), CredentialID: "test"}}
	}
	return out, nil
}

// end is one of two engines on this host.
type end struct {
	*Engine
	kern *memKernel
	addr netip.Addr
	port uint16

	mu      sync.Mutex
	notices []notice.Notice
}

type endOptions struct {
	psk      auth.Authenticator
	kernel   kernel.Backend // nil: memory
	remotes  []*policy.Remote
	remote   *policy.SAID // of the sainfo, nil: anonymous
	limits   Limits
	quiet    bool // keep no notices
	dir      string
	natt     uint16 // port of NAT traversal, 0: none
	backup   string // path backupsa
	restore  bool
	patience time.Duration // of a negotiation, 0: the usual
}

func proposal(g oakley.Group) policy.Phase1Proposal {
	return policy.Phase1Proposal{Encryption: 7, KeyBits: 128, Hash: uint16(oakley.SHA256), Method: 1, Group: uint16(g), Lifetime: time.Hour}
}

// peerSection is the section for a peer at an address, with everything tests need.
func peerSection(a netip.Addr, port uint16, g oakley.Group) *policy.Remote {
	return &policy.Remote{Name: a.String(), Addr: a, Port: port, Modes: []policy.ExchangeMode{policy.Main}, NonceSize: 16,
		Proposals: []policy.Phase1Proposal{proposal(g)}}
}

func newEnd(t testing.TB, a netip.Addr, port uint16, o endOptions) *end {
	t.Helper()
	cfg := configOf(o.remotes...)
	cfg.Listen.ISAKMP = []netip.AddrPort{netip.AddrPortFrom(a, port)}
	cfg.SAInfos = []*policy.SAInfo{{Remote: o.remote, Lifetime: time.Hour, LifetimeKB: 1000, Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: 5}}, Comp: []policy.Algorithm{{ID: 2}}}}
	cfg.ComplexBundle = true
	if o.natt != 0 {
		cfg.Listen.ISAKMPNATT = []netip.AddrPort{netip.AddrPortFrom(a, o.natt)}
		cfg.Timer.NATTKeepalive = 20 * time.Millisecond
	}
	cfg.Paths.BackupSA = o.backup
	if o.patience != 0 {
		cfg.Timer.Interval = o.patience / time.Duration(cfg.Timer.Counter)
	}
	n := &end{kern: newMemKernel(), addr: a, port: port}
	pipe := logpipe.New(nil, slog.LevelError+1)
	t.Cleanup(func() { _ = pipe.Close(context.Background()) })
	if o.kernel == nil {
		o.kernel = n.kern
	}
	e, err := New(Options{Config: cfg, Auth: map[string]auth.Authenticator{"psk": o.psk}, Kernel: o.kernel, Pipe: pipe, Limits: o.limits, RunDir: o.dir, Restore: o.restore, NATTPort: o.natt})
	if err != nil {
		t.Fatal(err)
	}
	n.Engine = e
	if !o.quiet {
		t.Cleanup(e.Subscribe(func(x notice.Notice) { n.mu.Lock(); defer n.mu.Unlock(); n.notices = append(n.notices, x) }))
	}
	t.Cleanup(func() {
		if !e.closing.Load() {
			_ = e.Shutdown(context.Background())
		}
		if t.Failed() {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, x := range n.notices {
				t.Logf("%v: %v %v", a, x, x.Attrs())
			}
		}
	})
	return n
}

func (n *end) up(t testing.TB) *end {
	t.Helper()
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *end) count(ev notice.Event) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for _, x := range n.notices {
		if x.Event == ev {
			c++
		}
	}
	return c
}

// sads describes what both kernels have: an SA must be the same at both ends.
func sads(a, b *end) (common, odd []string) {
	describe := func(k *memKernel) (all []string) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, sa := range k.sas {
			s := fmt.Sprintf("%v>%v %d %08x mode %d", sa.Key.Src, sa.Key.Dst, sa.Key.Proto, sa.Key.SPI, sa.Mode)
			if sa.Encr != nil {
				s += fmt.Sprintf(" encr %d %x", sa.Encr.ID, sa.Encr.Key.Reveal())
			}
			if sa.Auth != nil {
				s += fmt.Sprintf(" auth %d %x", sa.Auth.ID, sa.Auth.Key.Reveal())
			}
			all = append(all, s)
		}
		slices.Sort(all)
		return all
	}
	x, y := describe(a.kern), describe(b.kern)
	for _, s := range x {
		if slices.Contains(y, s) {
			common = append(common, s)
		} else {
			odd = append(odd, "first: "+s)
		}
	}
	for _, s := range y {
		if !slices.Contains(x, s) {
			odd = append(odd, "second: "+s)
		}
	}
	return common, odd
}

// twoEnds are two engines on loopback with a tunnel policy between them.
func twoEnds(t testing.TB, g oakley.Group, pskA, pskB string) (a, b *end, policyA *kernel.Policy) {
	p := freePort(t)
	one, two := addr("127.0.0.1"), addr("127.0.0.2")
	a = newEnd(t, one, p, endOptions{psk: onePSK{key: []byte(pskA)}, remotes: []*policy.Remote{peerSection(two, p, g)}})
	b = newEnd(t, two, p, endOptions{psk: onePSK{key: []byte(pskB)}, remotes: []*policy.Remote{peerSection(one, p, g)}})
	policyA = tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8)
	policyB := tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
	a.kern.policies = []*kernel.Policy{policyA, reverse(policyA)}
	b.kern.policies = []*kernel.Policy{policyB, reverse(policyB)}
	return a.up(t), b.up(t), policyA
}

// The whole way: the kernel's acquire, main mode, quick mode, SAs with the same
// keys at both ends, and nothing left after a shutdown.
func TestATunnelComesUpAndGoesDown(t *testing.T) {
	for _, g := range []oakley.Group{oakley.MODP2048, oakley.ECP256, oakley.X25519} {
		t.Run(g.String(), func(t *testing.T) {
			a, b, p := twoEnds(t, g, "secret", "secret")
			a.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: p, AcquireSeq: 7})
			eventually(t, "both ends are up", func() bool { return a.count(notice.Phase2Up) == 1 && b.count(notice.Phase2Up) == 1 })
			eventually(t, "two SAs with the same keys at both ends", func() bool { both, odd := sads(a, b); return len(both) == 2 && len(odd) == 0 })
			eventually(t, "the kernel was answered", func() bool {
				return slices.Contains(a.kern.applied(), "acquire-done 7 errno 0 ok")
			})
			sts, err := b.Statuses(t.Context())
			if err != nil || len(sts) != 1 || len(sts[0].ISAKMP) != 1 || len(sts[0].IPsec) != 1 || sts[0].Key != (ike.PeerKey{Block: "127.0.0.1"}) {
				t.Fatalf("%+v %v", sts, err)
			}
			if n := len(b.registry.snapshot()); n != 1 {
				t.Errorf("%d actors at the responder: the stranger is still there", n)
			}
			if diff := cmp.Diff(2, len(ledgerSPIs(a.ledger))); diff != "" {
				t.Error(diff)
			}
			if err := a.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			eventually(t, "the peer was told", func() bool { return len(b.kern.spis()) == 0 && b.count(notice.Phase1Down) == 1 })
			if got := a.kern.spis(); len(got) != 0 || len(ledgerSPIs(a.ledger)) != 0 {
				t.Errorf("left: %x, ledger %x", got, ledgerSPIs(a.ledger))
			}
			eventually(t, "the peer has forgotten us", func() bool { return len(b.registry.snapshot()) == 0 && len(b.registry.cookies) == 0 })
		})
	}
}

// What the kernel asked a racoon for that was killed it does not ask the next one:
// that finds the request among the SAs.
func TestARequestThatWaitsInTheKernelIsServed(t *testing.T) {
	p := freePort(t)
	one, two := addr("127.0.0.1"), addr("127.0.0.2")
	a := newEnd(t, one, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(two, p, oakley.X25519)}})
	b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(one, p, oakley.X25519)}})
	pa, pb := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8), tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
	a.kern.policies, b.kern.policies = []*kernel.Policy{pa, reverse(pa)}, []*kernel.Policy{pb, reverse(pb)}
	packet := kernel.Selector{Src: netip.MustParsePrefix("10.1.2.3/32"), Dst: netip.MustParsePrefix("10.2.3.4/32"), Proto: 17, SrcPort: 5, DstPort: 53}
	a.kern.sas[ike.SAKey{Dst: two, Proto: 50}] = &kernel.SA{Key: kernel.Key{Src: one, Dst: two, Proto: 50}, Seq: 7, Sel: &packet, State: kernel.Larval}
	b.up(t)
	a.up(t)
	eventually(t, "up", func() bool { both, _ := sads(a, b); return len(both) == 2 })
	eventually(t, "the kernel was answered", func() bool { return slices.Contains(a.kern.applied(), "acquire-done 7 errno 0 ok") })
}

func TestAWrongKeyGivesNoTunnel(t *testing.T) {
	a, b, p := twoEnds(t, oakley.X25519, "secret", "other")
	a.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: p, AcquireSeq: 7})
	eventually(t, "the responder cannot read message 5", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.ContainsFunc(b.notices, func(n notice.Notice) bool { return n.Event == notice.Dropped && n.Step == 5 })
	})
	if x, y := a.kern.spis(), b.kern.spis(); len(x)+len(y) != 0 || a.count(notice.Phase1Up)+b.count(notice.Phase1Up) != 0 {
		t.Errorf("SAs %x and %x", x, y)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if !slices.Contains(a.kern.applied(), "acquire-done 7 errno 2 ok") {
		t.Errorf("the kernel was not told: %v", a.kern.applied())
	}
}

func TestAnOperatorBringsATunnelUpRenewsItAndDeletesIt(t *testing.T) {
	a, b, _ := twoEnds(t, oakley.X25519, "secret", "secret")
	if err := a.Establish(t.Context(), EstablishRequest{Remote: b.addr}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "up", func() bool { both, odd := sads(a, b); return len(both) == 2 && len(odd) == 0 })

	// The soft lifetime runs out: a new pair, and then the old one goes.
	old := a.kern.spis()
	in := ike.SAKey{}
	a.kern.set(func() {
		for k := range a.kern.sas {
			if k.Dst == a.addr {
				in = k
			}
		}
	})
	a.kern.tell(kernel.Event{Kind: kernel.ExpireSoft, Key: kernel.Key{Dst: in.Dst, Proto: in.Proto, SPI: in.SPI}})
	eventually(t, "renewed", func() bool { both, odd := sads(a, b); return len(both) == 4 && len(odd) == 0 })

	// Somebody deletes one of the SAs: the rest of that pair goes at both ends.
	n, err := a.Delete(t.Context(), DeleteRequest{SPI: old[0]})
	if err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "one pair is left", func() bool { both, odd := sads(a, b); return len(both) == 2 && len(odd) == 0 })
	if n, err = a.Delete(t.Context(), DeleteRequest{All: true, ISAKMP: true}); err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "nothing is left", func() bool { return len(a.kern.spis())+len(b.kern.spis()) == 0 })
}

// A racoon that was killed leaves SAs; the next one deletes exactly those.
func TestARacoonThatWasKilledIsCleanedUpAfter(t *testing.T) {
	p := freePort(t)
	one, two := addr("127.0.0.1"), addr("127.0.0.2")
	dir := t.TempDir()
	o := endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(two, p, oakley.X25519)}, dir: dir}
	a := newEnd(t, one, p, o)
	b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(one, p, oakley.X25519)}})
	pol := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8)
	a.kern.policies = []*kernel.Policy{pol, reverse(pol)}
	back := tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
	b.kern.policies = []*kernel.Policy{back, reverse(back)}
	a.up(t)
	b.up(t)
	if err := a.Establish(t.Context(), EstablishRequest{Remote: two}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "up", func() bool { both, _ := sads(a, b); return len(both) == 2 })
	a.end() // kill -9
	foreign := outbound(0x55)
	a.kern.larval(foreign)

	o.kernel = a.kern
	again := newEnd(t, one, p, o).up(t)
	if got := a.kern.spis(); !slices.Equal(got, []uint32{0x55}) {
		t.Errorf("after the restart the kernel has %x", got)
	}
	if err := again.Establish(t.Context(), EstablishRequest{Remote: two}); err != nil {
		t.Errorf("again: %v", err)
	}
}

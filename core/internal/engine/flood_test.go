package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/auth"
)

// town is engines that reach each other, and nobody else.
type town struct {
	engines map[netip.Addr]*Engine
	derived atomic.Int64 // times an authentication plugin was asked for a key

	mu   sync.Mutex
	dead int // peers that were taken for dead
}

// countedPSK counts what it is asked.
type countedPSK struct {
	onePSK
	n *atomic.Int64
}

func (p countedPSK) DeriveSKEYIDs(ctx context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	p.n.Add(int64(len(rs)))
	return p.onePSK.DeriveSKEYIDs(ctx, rs)
}

// settle adds an engine at an address, with sections for others.
func (w *town) settle(t *testing.T, at netip.Addr, sections ...*policy.Remote) *Engine {
	cfg := configOf(sections...)
	cfg.SAInfos = []*policy.SAInfo{{Lifetime: time.Hour, Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: 5}}}}
	pipe := logpipe.New(nil, slog.LevelError+1)
	t.Cleanup(func() { _ = pipe.Close(context.Background()) })
	e, err := New(Options{Config: cfg, Auth: map[string]auth.Authenticator{"psk": countedPSK{onePSK{key: []byte("k")}, &w.derived}},
		Kernel: &nowhere{memKernel: newMemKernel()}, Pipe: pipe})
	if err != nil {
		t.Fatal(err)
	}
	e.net = &wire{quiet: true, locals: []netip.Addr{at}, carry: func(s ike.Send) {
		if to := w.engines[s.Path.Remote.Addr()]; to != nil {
			to.run(func() { to.receive(ike.Path{Local: s.Path.Remote, Remote: s.Path.Local}, false, s.Data) })
		}
	}}
	if w.engines == nil {
		w.engines = map[netip.Addr]*Engine{}
	}
	w.engines[at] = e
	return e
}

func (w *town) close() {
	for _, e := range w.engines {
		e.stop()
		e.workers.close()
	}
}

// connect brings a tunnel between two of them up and tells how long it took.
func (w *town) connect(t *testing.T, from, to netip.Addr) time.Duration {
	t.Helper()
	e := w.engines[from]
	d := destination{e.config.Load().Remotes[0], ike.Path{Local: netip.AddrPortFrom(from, 500), Remote: netip.AddrPortFrom(to, 500)}, from, to, false}
	out := spdPolicy(tunnel(from.String()+"/32", to.String()+"/32", from.String(), to.String(), 2))
	p := tunnel(to.String()+"/32", from.String()+"/32", to.String(), from.String(), 2)
	w.engines[to].changeSPD(func(db *spd.DB) { db.Put(spdPolicy(p)); db.Put(spdPolicy(reverse(p))) })
	began := time.Now()
	if err := e.command(t.Context(), func(id uint64) {
		e.tell(d, ike.Establish{Command: id, HasPair: true, Pair: spd.Pair{Out: out}, Src: from, Dst: to})
	}); err != nil {
		t.Errorf("%v to %v: %v", from, to, err)
	}
	return time.Since(began)
}

var (
	gateway = addr("192.0.2.1")
	peer    = addr("192.0.2.2") // comes during the flood
	friend  = addr("192.0.2.3") // is there before
)

// forge makes a first message nobody will stand up for.
func forge(r *policy.Remote, mode policy.ExchangeMode) []byte {
	var cky isakmp.Cookie
	rand.Read(cky[:])
	nonce, ke := make([]byte, 16), make([]byte, oakley.Group(r.Proposals[0].Group).PublicLen())
	rand.Read(nonce)
	rand.Read(ke)
	ps := []isakmp.Payload{{Type: isakmp.PayloadSA, Body: doi.OfferISAKMP(r).Append(nil)}}
	id := isakmp.Payload{Type: isakmp.PayloadID, Body: doi.AddrID(peer, 17, 500).Append(nil)}
	switch mode {
	case policy.Aggressive:
		ps = append(ps, isakmp.Payload{Type: isakmp.PayloadKE, Body: ke}, isakmp.Payload{Type: isakmp.PayloadNONCE, Body: nonce}, id)
	case policy.Base:
		ps = append(ps, id, isakmp.Payload{Type: isakmp.PayloadNONCE, Body: nonce})
	}
	return isakmp.AppendMessage(nil, isakmp.Header{CkyI: cky, Version: isakmp.Version1, Exchange: isakmp.ExchangeType(mode)}, ps)
}

// floodSection is for a peer at an address, or for anybody; the peer is probed.
func floodSection(a netip.Addr, modes ...policy.ExchangeMode) *policy.Remote {
	r := peerSection(a, 0, oakley.X25519)
	if !a.IsValid() {
		r.Name = "anonymous"
	}
	r.Modes = modes
	r.DPD, r.DPDDelay, r.DPDRetry, r.DPDMaxFail, r.DPDAlgorithm = true, time.Second, time.Second, 3, "default"
	return r
}

// 100,000 first messages with forged addresses, ten thousand a second, some of them in
// the names of peers: an established peer stays, is probed and answers all the time and
// renews its SAs; one that comes meanwhile comes at once.
func TestAFloodOfForgedFirstMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this receives 100,000 messages")
	}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) { flood(t, 100_000) })
	t.Logf("%v of real time", time.Since(began).Round(time.Millisecond))
}

func flood(t *testing.T, messages int) {
	w := &town{}
	all := []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base}
	g := w.settle(t, gateway, floodSection(peer, policy.Main), floodSection(friend, policy.Main), floodSection(netip.Addr{}, all...))
	w.settle(t, peer, floodSection(gateway, policy.Main))
	w.settle(t, friend, floodSection(gateway, policy.Main))
	defer w.close()
	for _, e := range w.engines {
		defer e.Subscribe(func(n notice.Notice) {
			if n.Event == notice.PeerDead {
				w.mu.Lock()
				w.dead++
				w.mu.Unlock()
			}
		})()
	}
	w.connect(t, friend, gateway)
	synctest.Wait()
	before := w.status(t, g, friend)

	const each = 100 // every 10 ms
	var took, renewed time.Duration
	var done sync.WaitGroup
	most, asked := 0, w.derived.Load()
	for i := range messages {
		var from [4]byte
		rand.Read(from[:])
		from[0] = 10
		source := netip.AddrPortFrom(netip.AddrFrom4(from), 500)
		mode := policy.Main
		switch {
		case i%1000 < 5: // in the name of who is about to come, or is there
			source = netip.AddrPortFrom([]netip.Addr{peer, friend}[i/1000%2], 500)
		case i%20 == 10:
			mode = policy.Aggressive
		case i%20 == 11:
			mode = policy.Base
		}
		g.receive(ike.Path{Local: netip.AddrPortFrom(gateway, 500), Remote: source}, false, forge(g.config.Load().Remotes[2], mode))
		if i%each == each-1 {
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
			g.registry.mu.Lock()
			most = max(most, g.registry.half.literal.len()+g.registry.half.others.len())
			g.registry.mu.Unlock()
		}
		if i == messages/2 {
			asked = w.derived.Load() - asked
			done.Go(func() { took = w.connect(t, peer, gateway) })
			done.Go(func() { renewed = w.connect(t, friend, gateway) })
		}
	}
	done.Wait()
	after := w.status(t, g, friend)
	t.Logf("%d forged messages in 10 s: in simulated time a configured peer came in %v and an established one renewed its SAs in %v; %d half-open exchanges at most, %d SKEYIDs asked for by half of them",
		messages, took, renewed, most, asked)
	if took >= 3*time.Second || renewed >= 3*time.Second {
		t.Error("that is too long")
	}
	if most > 2048 {
		t.Error("more half-open exchanges than there may be")
	}
	if before == nil || after == nil || before.ISAKMP[0].CkyI != after.ISAKMP[0].CkyI || before.IPsec[0].SPIIn != after.IPsec[0].SPIIn {
		t.Errorf("the established peer was %+v and is %+v", before, after)
	}
	if w.dead > 0 {
		t.Errorf("%d peers were taken for dead", w.dead)
	}
	// Nothing is computed for somebody who has not shown that it can receive, but in
	// the exchanges whose second message has a proof in it.
	if limit := int64(messages/2) / 20; asked > limit {
		t.Errorf("%d keys were asked for, by %d messages of aggressive mode", asked, limit)
	}
}

// status is what an engine knows of a peer.
func (w *town) status(t *testing.T, e *Engine, of netip.Addr) *ike.Status {
	sts, err := e.Statuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range sts {
		if st.Key.Block == of.String() && len(st.ISAKMP) > 0 && len(st.IPsec) > 0 {
			return &st
		}
	}
	return nil
}

// Five packets were enough to lock a peer out of a daemon that counts them by their
// address, and does nothing to know whose they are.
func TestForgedMessagesDoNotLockAPeerOut(t *testing.T) {
	for _, mode := range []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base} {
		counts := []int{0, 5, 200}
		if mode == policy.Aggressive { // each has a key made, of which a source has 40 at once and then 10 a second
			counts = []int{0, 5, 39}
		}
		for _, n := range counts {
			t.Run(fmt.Sprintf("%v/%d", mode, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &town{}
					g := w.settle(t, gateway, floodSection(peer, mode))
					w.settle(t, peer, floodSection(gateway, mode))
					defer w.close()
					for range n {
						g.receive(ike.Path{Local: netip.AddrPortFrom(gateway, 500), Remote: netip.AddrPortFrom(peer, 500)}, false, forge(g.config.Load().Remotes[0], mode))
					}
					synctest.Wait()
					if took := w.connect(t, peer, gateway); took >= 3*time.Second {
						t.Errorf("behind %d forged messages it took %v", n, took)
					}
				})
			})
		}
	}
}

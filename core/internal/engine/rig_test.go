package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// rig is two engines and their kernels.
type rig struct {
	*testing.T
	exposure
	kernels [2]*faulty
	ends    [2]*end
	make    [2]func() *end
	fault   fault
}

// newRig makes them. plug puts a plugin between engine and faulty kernel.
func newRig(t *testing.T, x exposure, f fault, plug func(*faulty) *survivor) *rig {
	out := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8)
	back := tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
	r := &rig{T: t, exposure: x, fault: f, kernels: [2]*faulty{newFaulty(out, reverse(out)), newFaulty(back, reverse(back))}}
	p := freePort(t)
	addrs := [2]netip.Addr{addr("127.0.0.1"), addr("127.0.0.2")}
	for i, k := range r.kernels {
		section := peerSection(addrs[1-i], p, oakley.X25519)
		o := endOptions{psk: onePSK{key: []byte("k")}, kernel: k, remotes: []*policy.Remote{section}, dir: t.TempDir(), patience: 30 * time.Second}
		switch {
		case x.call == "Query":
			section.DPD, section.DPDDelay, section.DPDRetry, section.DPDMaxFail = true, 100*time.Millisecond, time.Second, 5
		case x.call == "Apply: generated policies" && i == 1:
			section.GeneratePolicy, o.remote = policy.GenerateUnique, doi.SAID(doi.PrefixID(prefix("10.0.0.0/8"), 0, 0))
			r.kernels[i] = newFaulty()
			k, o.kernel = r.kernels[i], r.kernels[i]
		}
		if i == x.side {
			k.plugin = plug(k)
			o.kernel = k.plugin
		}
		r.make[i] = func() *end { return newEnd(t, addrs[i], p, o) }
		r.ends[i] = r.make[i]()
	}
	return r
}

// settle waits until tables and kernels agree on so many pairs.
func (r *rig) settle(pairs int) {
	r.Helper()
	why := ""
	end := time.Now().Add(faultLimit)
	for why = r.trouble(pairs); why != ""; why = r.trouble(pairs) {
		if time.Now().After(end) {
			r.Fatalf("want %d pairs: %s", pairs, why)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// trouble says in what tables and kernels do not agree on a number of pairs. What
// was only reserved may be there for its lifetime.
func (r *rig) trouble(pairs int) string {
	var sads [2][]string
	for i, n := range r.ends {
		k := r.kernels[i]
		k.ahead.Store(int64(time.Minute))
		_, _ = k.Fake.Query(context.Background(), nil)
		k.ahead.Store(0)
		var in, table []uint32
		for _, sa := range k.SAs() {
			in = append(in, sa.Key.SPI)
			if sa.State == kernel.Larval {
				return fmt.Sprintf("side %d has a reserved SPI %#x", i, sa.Key.SPI)
			}
			sads[i] = append(sads[i], fmt.Sprintf("%v %#x %x %x", sa.Key.Dst, sa.Key.SPI, sa.Encr.Key.Reveal(), sa.Auth.Key.Reveal()))
		}
		if n.ctx.Err() == nil {
			sts, err := n.Statuses(context.Background())
			if err != nil {
				return err.Error()
			}
			for _, st := range sts {
				if len(st.Exchanges) > 0 && r.call != "Query" {
					return fmt.Sprintf("side %d negotiates: %+v", i, st.Exchanges)
				}
				for _, p := range st.IPsec {
					table = append(table, p.SPIIn, p.SPIOut)
				}
			}
		}
		slices.Sort(in)
		slices.Sort(table)
		slices.Sort(sads[i])
		if !slices.Equal(in, table) || !slices.Equal(in, ledgerSPIs(n.ledger)) || len(in) != 2*pairs {
			return fmt.Sprintf("side %d: the kernel has %x, the tables have %x, the ledger %x", i, in, table, ledgerSPIs(n.ledger))
		}
		if why := r.policies(i, pairs); why != "" {
			return why
		}
	}
	return cmp.Diff(sads[0], sads[1])
}

// policies compares the generated policies of a side.
func (r *rig) policies(side, pairs int) string {
	n, k := r.ends[side], r.kernels[side]
	var in []string
	for _, p := range k.Policies() {
		if p.Key.ID != 8 && p.Key.ID != 9 && p.Key.ID != 16 && p.Key.ID != 17 {
			q := spdPolicy(&p)
			in = append(in, formatPolicy(q.Key, reqIDOf(q)))
		}
	}
	var table []string
	for key, id := range n.ledger.allPolicies() {
		table = append(table, formatPolicy(key, id))
	}
	slices.Sort(in)
	slices.Sort(table)
	want := 0
	if r.call == "Apply: generated policies" && side == 1 {
		want = 3 * pairs
	}
	if !slices.Equal(in, table) || len(in) != want {
		return fmt.Sprintf("side %d: the kernel has the policies %q, the ledger %q", side, in, table)
	}
	if reserved := n.generated.owner(policy.Selector{Local: prefix("10.2.0.0/16"), Remote: prefix("10.1.0.0/16")}) != nil; reserved != (want > 0) && side == 1 {
		return fmt.Sprintf("side %d: the traffic is reserved: %v", side, reserved)
	}
	return ""
}

var errNoTunnel = errors.New("no tunnel")

// leaveSA puts an SA into a kernel and a ledger.
func leaveSA(t testing.TB, k *kerneltest.Fake, l *ledger, src netip.Addr) {
	t.Helper()
	sa := kernel.SA{Key: kernel.Key{Src: src, Dst: addr("192.0.2.9"), SPI: 0x7777, Proto: 50}, Mode: kernel.ModeTunnel,
		Encr: &kernel.AlgKey{ID: 12, Key: secret.New(make([]byte, 16))}, Auth: &kernel.AlgKey{ID: 5, Key: secret.New(make([]byte, 32))}}
	ops := []kernel.Op{{Kind: kernel.AddSA, SA: &sa}}
	res, err := k.Apply(t.Context(), []kernel.Transaction{{Ops: ops}})
	if err == nil {
		err = errors.Join(outcome(ops, res[0], false), l.add([]ledgerKey{{SAKey: saKey(sa.Key)}}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// leftOver has an SA of ours in the kernel that no machine knows.
func (r *rig) leftOver() error {
	n, k := r.ends[0], r.kernels[0]
	leaveSA(r, k.Fake, n.ledger, n.addr)
	k.Lose()
	return nil
}

func (r *rig) establish() error {
	ctx, cancel := context.WithTimeout(r.Context(), faultLimit)
	defer cancel()
	return r.ends[0].Establish(ctx, EstablishRequest{Remote: r.ends[1].addr})
}

// begin starts the engine of the faulty side, which may have failed before.
func (r *rig) begin() error {
	if r.ends[r.side].closing.Load() {
		r.ends[r.side] = r.make[r.side]()
	}
	if err := r.ends[r.side].Start(r.Context()); err != nil {
		return err
	}
	return r.establish()
}

func (r *rig) killed() error { r.kernels[0].plugin.kill(); return nil }

// renew has the soft lifetime run out.
func (r *rig) renew() error {
	for _, sa := range r.kernels[0].SAs() {
		if sa.Key.Dst == r.ends[0].addr {
			r.kernels[0].Expire(sa.Key, false)
		}
	}
	return nil
}

func (r *rig) delete() error {
	ctx, cancel := context.WithTimeout(r.Context(), faultLimit)
	defer cancel()
	_, err := r.ends[0].Delete(ctx, DeleteRequest{All: true, ISAKMP: true})
	return err
}

// packet has the kernel ask, as often as one does.
func (r *rig) packet() error {
	k := r.kernels[0]
	sel := kernel.Selector{Src: netip.MustParsePrefix("10.1.2.3/32"), Dst: netip.MustParsePrefix("10.2.3.4/32"), Proto: 1}
	var out kernel.Policy
	for _, p := range k.Policies() {
		if p.Key.Dir == kernel.Direction(spd.Out) {
			out = p
		}
	}
	for end := time.Now().Add(faultLimit); time.Now().Before(end); {
		if k.Subscribers() > 0 {
			k.Acquire(out, sel)
		}
		for again := time.Now().Add(time.Second); time.Now().Before(again); time.Sleep(2 * time.Millisecond) {
			if len(k.SAs()) > 1 {
				return nil
			}
		}
	}
	return errNoTunnel
}

// probed waits for dead peer detection, which asks what the SAs have carried.
func (r *rig) probed() error { return nil }

func (r *rig) overflow() error { r.kernels[0].Lose(); return nil }

// resubscribe ends the stream of events. A plugin that says that it is ready and then
// nothing any more looks like one to whose kernel nothing happens: it is for whoever
// sees that to end it.
func (r *rig) resubscribe() error {
	k := r.kernels[0]
	k.CloseEvents()
	if r.fault.name == "does it and never answers" {
		within(r, faultLimit, "it is deaf", k.struck.Load)
		k.plugin.killed(r)
	}
	return r.packet()
}

func (r *rig) route() error {
	ctx, cancel := context.WithTimeout(r.Context(), faultLimit)
	defer cancel()
	err := r.ends[0].Establish(ctx, EstablishRequest{Remote: r.ends[1].addr, ISAKMPOnly: true})
	if err != nil {
		return err
	}
	return r.establish()
}

package engine

import (
	"testing"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// The SAs of a section that says so are there without any traffic, for policies that
// come later too, and come back; a reload that no longer says so leaves them alone.
func TestSAsAreKeptUp(t *testing.T) {
	p := freePort(t)
	one, two := addr("127.0.0.1"), addr("127.0.0.2")
	section := peerSection(two, p, oakley.X25519)
	section.KeepUp = true
	a := newEnd(t, one, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{section}})
	b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(one, p, oakley.X25519)}})
	policies := func(net string, index uint32) (out, in *kernel.Policy) {
		return tunnel("10.1.0.0/16", net, "127.0.0.1", "127.0.0.2", index), tunnel(net, "10.1.0.0/16", "127.0.0.2", "127.0.0.1", index+1)
	}
	outA, outB := policies("10.2.0.0/16", 8)
	a.kern.policies, b.kern.policies = []*kernel.Policy{outA, reverse(outA)}, []*kernel.Policy{outB, reverse(outB)}
	b.up(t)
	a.up(t)
	up := func(what string, n int) {
		t.Helper()
		eventually(t, what, func() bool { both, odd := sads(a, b); return len(both) == n && len(odd) == 0 })
	}
	up("up without an acquire", 2)

	laterA, laterB := policies("10.3.0.0/16", 16)
	for _, ev := range []kernel.Event{{Kind: kernel.PolicyAdded, Policy: laterB}, {Kind: kernel.PolicyAdded, Policy: reverse(laterB)}} {
		b.kern.tell(ev)
	}
	eventually(t, "the peer has the other policy", func() bool { b.spdMu.RLock(); defer b.spdMu.RUnlock(); return b.spd.Len() == 4 })
	a.kern.tell(kernel.Event{Kind: kernel.PolicyAdded, Policy: laterA})
	up("the policy that came later", 4)

	if n, err := b.Delete(t.Context(), DeleteRequest{All: true, ISAKMP: true}); err != nil || n != 3 {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "gone", func() bool { return a.count(notice.Phase2Down) == 2 })
	up("back", 4)

	still := *section
	still.KeepUp = false
	cfg := *a.config.Load().Config
	cfg.Remotes = []*policy.Remote{&still}
	if _, err := a.Reload(&cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no longer wanted", func() bool {
		sts, _ := a.Statuses(t.Context())
		return len(sts) == 1 && sts[0].Kept == 0
	})
	up("and still there", 4)
}

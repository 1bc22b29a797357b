package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// sending is the SA a kernel sends with: the last one that is still there.
func (k *memKernel) sending() (key ike.SAKey) {
	for _, a := range k.added {
		if k.sas[a] != nil {
			key = a
		}
	}
	return key
}

// carries reports whether what one end sends now is understood at the other.
func carries(from, to *end) (key ike.SAKey, ok bool) {
	from.kern.mu.Lock()
	defer from.kern.mu.Unlock()
	key = from.kern.sending()
	to.kern.mu.Lock()
	defer to.kern.mu.Unlock()
	sa := to.kern.sas[key]
	return key, sa != nil && sa.State == kernel.Mature
}

// Both ISAKMP and IPsec SAs are renewed again and again, from both ends, under
// sections that name the peer's address and such that do not: there is always an SA
// to send with, few of them, and one machine for the peer.
func TestRenewalsLeaveNoGap(t *testing.T) {
	for name, anonymous := range map[string]bool{"literal": false, "anonymous": true} {
		t.Run(name, func(t *testing.T) {
			p := freePort(t)
			one, two := addr("127.0.0.1"), addr("127.0.0.2")
			section := func(to string) *policy.Remote {
				r := peerSection(addr(to), p, oakley.X25519)
				// A third ISAKMP SA ends the first with all that goes on under it: on a slow
				// machine too a quick mode must be over by then.
				r.Proposals[0].Lifetime, r.Rekey, r.InitialContact = 2500*time.Millisecond, policy.On, true
				if anonymous {
					r.Name, r.Addr = "anonymous", netip.Addr{}
				}
				return r
			}
			a := newEnd(t, one, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{section("127.0.0.2")}})
			b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{section("127.0.0.1")}})
			pa, pb := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8), tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
			a.kern.policies, b.kern.policies = []*kernel.Policy{pa, reverse(pa)}, []*kernel.Policy{pb, reverse(pb)}
			a.up(t)
			b.up(t)
			a.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: pa, AcquireSeq: 7})
			eventually(t, "up", func() bool { both, odd := sads(a, b); return len(both) == 2 && len(odd) == 0 })
			renewed := 0
			eventually(t, "four ISAKMP SAs", func() bool {
				for _, way := range [][2]*end{{a, b}, {b, a}} {
					if key, ok := carries(way[0], way[1]); !ok {
						t.Fatalf("%v sends with %+v, which is not there", way[0].addr, key)
					}
				}
				n := a.count(notice.Phase1Up)
				if n > renewed+1 { // the IPsec SAs too, by the one or the other
					renewed++
					e := []*end{a, b}[renewed%2]
					e.kern.mu.Lock()
					key := e.kern.sending()
					e.kern.mu.Unlock()
					e.kern.tell(kernel.Event{Kind: kernel.ExpireSoft, Key: kernel.Key{Dst: key.Dst, Proto: key.Proto, SPI: key.SPI}})
				}
				return n >= 4
			})
			for _, e := range []*end{a, b} {
				sts, err := e.Statuses(t.Context())
				sts = slices.DeleteFunc(sts, func(s ike.Status) bool { return len(s.ISAKMP) == 0 }) // a stranger: the next renewal has begun
				if err != nil || len(sts) != 1 || len(sts[0].ISAKMP) > 2 || len(sts[0].IPsec) > 2 || anonymous == (sts[0].Key.ID == "") {
					t.Errorf("%v: %+v %v", e.addr, sts, err)
				}
			}
		})
	}
}

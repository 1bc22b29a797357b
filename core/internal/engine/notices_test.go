package engine

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
)

// A subscriber that does not come along loses Notices; the Reader loses none.
func TestTheReaderLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read int
		h := newHouse(t, Options{Reader: func(n notice.Notice) {
			if n.Event == notice.Phase1Down {
				read++
			}
		}}).start(t)
		slow, taken := make(chan struct{}), 0
		cancel := h.Subscribe(func(notice.Notice) { <-slow; taken++ })
		const many = 3 * maxSubscription
		for range many {
			h.Notify(notice.Notice{Event: notice.Phase1Down})
		}
		close(slow)
		synctest.Wait()
		cancel()
		if read != many || taken >= many {
			t.Errorf("of %d the reader has got %d, the subscriber %d", many, read, taken)
		}
	})
}

// What comes and what goes have a section, both ends and both cookies, the same at
// both ends; who came is told.
func TestNoticesOfAnISAKMPSA(t *testing.T) {
	a, b, _ := twoEnds(t, oakley.X25519, "secret", "secret")
	if err := a.Establish(t.Context(), EstablishRequest{Remote: b.addr}); err != nil {
		t.Fatal(err)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	gone := func(n *end) bool { return n.count(notice.Phase1Down) == 1 }
	eventually(t, "both have said so", func() bool { return gone(a) && gone(b) })
	of := func(n *end, ev notice.Event) notice.Notice {
		n.mu.Lock()
		defer n.mu.Unlock()
		i := slices.IndexFunc(n.notices, func(x notice.Notice) bool { return x.Event == ev })
		return n.notices[i]
	}
	for _, end := range []struct {
		this, other *end
		began       bool
	}{{a, b, true}, {b, a, false}} {
		up, down := of(end.this, notice.Phase1Up), of(end.this, notice.Phase1Down)
		if up.PeerID != end.other.addr.String() || up.Initiate != end.began {
			t.Errorf("%v: up with %q, began %v", end.this.addr, up.PeerID, up.Initiate)
		}
		for _, n := range []notice.Notice{up, down} {
			if n.Remote != end.other.addr.String() || n.Local.Addr() != end.this.addr || n.Peer.Addr() != end.other.addr ||
				n.CkyI.IsZero() || n.CkyR.IsZero() || n.CkyI != of(a, notice.Phase1Up).CkyI || n.CkyR != of(a, notice.Phase1Up).CkyR {
				t.Errorf("%v: %v %v", end.this.addr, n, n.Attrs())
			}
		}
	}
}

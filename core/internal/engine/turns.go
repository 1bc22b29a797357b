package engine

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// turns says which of several pre-shared keys is tried next with a peer. Whoever proves
// first who it is cannot try them all: an initiator of main and base mode has one for
// each exchange, and takes the next when that has failed. It stays with one that was
// right. As responder of aggressive mode we always take the best: there anybody who
// forges a first message could have us take another one than the peer expects, and
// would be shown what each of them makes.
type turns struct {
	mu sync.Mutex
	at map[turnPlace]turn
}

// turnPlace is where a section has us find a peer.
type turnPlace struct {
	remote string
	peer   netip.Addr
}

type turn struct {
	exchange string // that had the last
	n        int
}

// maxTurns bounds what is remembered; forgotten, the best is tried first again.
const maxTurns = 4096

// order puts the candidate first whose turn it is in an exchange.
func (t *turns) order(req ike.DeriveSKEYIDs, cs []ike.SKEYIDCandidate) []ike.SKEYIDCandidate {
	if !req.Initiator || req.Aggressive || len(cs) < 2 {
		return cs
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil || len(t.at) >= maxTurns {
		t.at = map[turnPlace]turn{}
	}
	k := turnPlace{req.Remotes[0], req.Path.Remote.Addr()}
	n := t.at[k].n % len(cs)
	t.at[k] = turn{req.ExchangeID, n}
	return slices.Concat(cs[n:], cs[:n])
}

// noticed gives the next candidate its turn when the exchange has failed.
func (t *turns) noticed(n notice.Notice) {
	if n.Event != notice.Phase1Failed || !n.Initiate {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := turnPlace{n.Remote, n.Peer.Addr()}
	if at, ok := t.at[k]; ok && at.exchange == n.CkyI.String() {
		at.n++
		t.at[k] = at
	}
}

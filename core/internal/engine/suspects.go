package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// looks are when a young inbound SA with HMAC-SHA2-256 is looked at, counted from its
// beginning: if packets came and not one passed its check, the two ends cut the ICV
// differently.
var looks = [...]time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

const (
	lookEvery = time.Second // while there are any
	maxLooked = 256         // in one call
)

// suspect is an SA that has not yet been seen to carry anything.
type suspect struct {
	key         kernel.Key
	icv         uint16 // bits
	section     string
	local, peer netip.AddrPort
	born        time.Time
	looked      int // times
}

func (s suspect) due() time.Time { return s.born.Add(looks[s.looked]) }

// suspects are the SAs that are watched, by how often they were looked at. In each list
// they are in the order of their birth, and so in that in which they are due: however
// many are young, a second costs no more than what is due in it.
type suspects struct {
	mu   sync.Mutex
	by   [len(looks)][]suspect
	more chan struct{} // there are some, where there were none
}

func (l *suspects) add(more []suspect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.lenLocked()
	for _, s := range more {
		l.by[s.looked] = append(l.by[s.looked], s)
	}
	if before > 0 {
		return // it is awake
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// take removes those that are due.
func (l *suspects) take(now time.Time) (due []suspect, left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, list := range l.by {
		n := 0
		for n < len(list) && !list[n].due().After(now) {
			n++
		}
		due = append(due, list[:n]...)
		clear(list[:n])
		if l.by[i] = list[n:]; n == len(list) {
			l.by[i] = nil // an empty list keeps no array
		}
	}
	return due, l.lenLocked() > 0
}

func (l *suspects) lenLocked() (n int) {
	for _, list := range l.by {
		n += len(list)
	}
	return n
}

// suspect has the inbound SAs of a transaction that was done watched.
func (e *Engine) suspect(ops []kernel.Op) {
	var all []suspect
	for _, op := range ops {
		if op.SA == nil || op.SA.Dir != kernel.In || op.SA.Auth == nil || op.SA.Auth.ID != isakmp.SAAuthHMACSHA256 {
			continue
		}
		if known, ok := e.registry.owner(saKey(op.SA.Key)); ok {
			all = append(all, suspect{key: op.SA.Key, icv: cmp.Or(op.SA.Auth.Trunc, e.icvs(op.SA.Auth.ID)[0]), section: known.owner.key.Block,
				local: known.owner.path.Local, peer: known.owner.path.Remote, born: time.Now()})
		}
	}
	if all != nil {
		e.suspects.add(all)
	}
}

// followSuspects looks at them when it is time.
func (e *Engine) followSuspects() {
	for {
		due, left := e.suspects.take(time.Now())
		for batch := range slices.Chunk(due, maxLooked) {
			e.look(batch)
		}
		var wait <-chan time.Time
		if left {
			wait = time.After(lookEvery)
		}
		select {
		case <-wait:
		case <-e.suspects.more:
		case <-e.ctx.Done():
			return
		}
	}
}

// look asks the kernel about SAs. A kernel that does not answer, and one that does not
// count what fails, leave them suspects until their time is over.
func (e *Engine) look(batch []suspect) {
	keys := make([]kernel.Key, len(batch))
	for i, s := range batch {
		keys[i] = s.key
	}
	ctx, cancel := context.WithTimeout(e.ctx, kernelTimeout)
	defer cancel()
	stats, err := e.kernel.Query(ctx, keys)
	var again []suspect
	for i, s := range batch {
		known := err == nil && i < len(stats)
		switch {
		case known && (!stats[i].Found || stats[i].Packets > 0):
			continue // it is gone, or works
		case known && stats[i].IntegrityErrors > 0:
			e.notify(s.finding(stats[i].IntegrityErrors))
			continue
		}
		if s.looked++; s.looked < len(looks) {
			again = append(again, s)
		}
	}
	if again != nil {
		e.suspects.add(again)
	}
}

// finding says what is probably wrong. The packets are anybody's: nothing follows from
// them but the words.
func (s suspect) finding(failed uint64) notice.Notice {
	ask := "does the peer have 96? Then write sha256_96 on; in its remote section"
	if s.icv == doi.ShortSHA256 {
		ask = "does the peer have the 128 of RFC 4868? Then leave sha256_96 out of its remote section, and have a kernel back end that does 128"
	}
	return notice.Notice{Event: notice.Finding, Reason: notice.BadICV, Remote: s.section, Local: s.local, Peer: s.peer, Proto: s.key.Proto, SPI: s.key.SPI,
		Detail: fmt.Sprintf("%d packets came with this SA and not one has passed its integrity check; our HMAC-SHA2-256 has %d bits: %s", failed, s.icv, ask)}
}

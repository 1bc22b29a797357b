package ike

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/notice"
)

// restore takes over inbound SAs of an earlier life of this daemon: the peer may
// still send with them. What we sent with is gone, since nobody knows which sequence
// numbers it has used, so that new SAs are wanted at once.
func (p *Peer) restore(ev Restore) {
	p.restored = append(p.restored, ev.SAs...)
	for _, w := range ev.Wanted {
		p.want(&want{policy: w.Pair, local: w.Src, remote: w.Dst})
	}
}

// remembers reports whether there is anything the peer might forget for us.
func (p *Peer) remembers() bool { return len(p.sas)+len(p.pairs)+len(p.restored) > 0 }

// relieveRestored lets restored SAs end when the peer has had the time to make new
// ones for all that they carried.
func (p *Peer) relieveRestored() {
	if len(p.restored) > 0 && p.restoredEnd.IsZero() {
		p.restoredEnd = p.now.Add(2 * p.patience())
	}
}

// endRestored removes the restored SAs that match from table and kernel. There is
// nobody to tell: the peer knows them by their own lifetime.
func (p *Peer) endRestored(match func(KernelSA) bool, reason notice.Reason) {
	var gone []KernelSA
	for _, s := range p.restored {
		if match(s) {
			gone = append(gone, s)
			p.notice(notice.Notice{Event: notice.Phase2Down, Reason: reason, Proto: s.Proto, SPI: s.SPI, Local: p.setup.Path.Local, Peer: p.setup.Path.Remote,
				Detail: "restored, inbound only"})
		}
	}
	p.restored = slices.DeleteFunc(slices.Clone(p.restored), match)
	if reason != notice.Expired && reason != notice.KernelLost {
		p.deleteSAs(deletes(gone))
	}
}

func every(KernelSA) bool { return true }

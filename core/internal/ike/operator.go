package ike

import (
	"errors"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// kernelLost drops the pairs, made or being made, of SAs that are no longer in the kernel.
func (p *Peer) kernelLost(ev KernelLost) {
	for _, k := range ev.SAs {
		match := func(s KernelSA) bool { return s.Key() == k }
		if q := p.findPair(match); q != nil {
			p.endPair(q, notice.KernelLost, true)
		} else if x := p.making(match); x != nil {
			x.fail(notice.KernelLost, errors.New("the kernel has lost an SA being negotiated"))
		}
		p.endRestored(match, notice.KernelLost)
	}
}

// credentialChanged ends the SAs made with a revoked key, and asks at once for what
// could not be answered: a plugin that has new keys is there again.
func (p *Peer) credentialChanged(ev CredentialChanged) {
	for _, x := range p.exchanges {
		if !x.retryAt.IsZero() {
			x.retryAt = p.now
		}
	}
	for _, q := range slices.Clone(p.pairs) {
		if ev.Revoked && q.credential == ev.Credential {
			p.endPair(q, notice.LocalDeleted, true)
		}
	}
	for _, sa := range slices.Clone(p.sas) {
		if ev.Revoked && sa.credential == ev.Credential {
			p.endISAKMP(sa, notice.LocalDeleted, true)
		}
	}
}

// reconfigure takes a new snapshot. A peer whose section is gone ends.
func (p *Peer) reconfigure(ev Reconfigure) {
	p.cfg = ev.Config
	if ev.Remote == nil {
		p.kept = nil
		p.endAll(notice.Reloaded)
		return
	}
	p.setup.Remotes = []*policy.Remote{ev.Remote}
	for _, sa := range p.sas {
		sa.Remote = ev.Remote
	}
	p.down = false
	p.lookLater()
}

// delete is an operator's command.
func (p *Peer) delete(ev Delete) {
	if ev.All && ev.ISAKMP { // also what is still being negotiated, or to be
		p.kept = slices.DeleteFunc(p.kept, func(k *kept) bool { return k.once })
		p.endAll(notice.LocalDeleted)
	}
	named := func(s KernelSA) bool { return s.SPI == ev.SPI }
	for _, q := range slices.Clone(p.pairs) {
		if ev.All || q.has(named) {
			p.endPair(q, notice.LocalDeleted, true)
		}
	}
	p.endRestored(func(s KernelSA) bool { return ev.All || named(s) }, notice.LocalDeleted)
	if ev.ISAKMP {
		for _, sa := range slices.Clone(p.sas) {
			p.endISAKMP(sa, notice.LocalDeleted, true)
		}
	}
	p.commandDone(ev.Command, 0, "")
}

// shutdown ends everything and tells the peer.
func (p *Peer) shutdown() {
	p.closing = true
	p.endAll(notice.ShuttingDown)
}

func (p *Peer) endAll(reason notice.Reason) {
	for _, x := range slices.Clone(p.exchanges) {
		if !x.over {
			x.fail(reason, errors.New(reason.String()))
		}
		x.gone = true
	}
	for _, w := range p.wants {
		p.wantFailed(w, reason, reason.String())
	}
	p.wants, p.fragments, p.down = nil, nil, false
	p.endRestored(every, reason)
	for _, q := range slices.Clone(p.pairs) {
		p.endPair(q, reason, true)
	}
	for _, sa := range slices.Clone(p.sas) {
		p.endISAKMP(sa, reason, true)
	}
}

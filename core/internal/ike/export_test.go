package ike

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Secrets are the keys a machine holds at this moment, so that a test can see
// whether they are wiped later.
func Secrets(p *Peer) iter.Seq2[string, secret.Bytes] {
	return func(yield func(string, secret.Bytes) bool) {
		keys := func(sa *ISAKMPSA) bool {
			return yield("SKEYID", sa.keys.SKEYID) && yield("SKEYID_d", sa.keys.D) && yield("SKEYID_a", sa.keys.A) && yield("SKEYID_e", sa.keys.E)
		}
		for _, sa := range slices.Concat(p.sas, p.lingering) {
			if !keys(sa) {
				return
			}
		}
		for _, x := range p.exchanges {
			if x.p1 != nil {
				for _, c := range x.p1.keys {
					if !yield("SKEYID_d", c.D) || !yield("SKEYID_a", c.A) || !yield("SKEYID_e", c.E) {
						return
					}
				}
			}
			if x.qm != nil && x.qm.pair != nil {
				for _, s := range append(x.qm.pair.in[:len(x.qm.pair.in):len(x.qm.pair.in)], x.qm.pair.out...) {
					if !yield("KEYMAT", s.EncrKey) || !yield("KEYMAT", s.AuthKey) {
						return
					}
				}
			}
		}
		for _, q := range p.pairs {
			for _, s := range append(q.in[:len(q.in):len(q.in)], q.out...) {
				if !yield("KEYMAT", s.EncrKey) || !yield("KEYMAT", s.AuthKey) {
					return
				}
			}
		}
	}
}

// Forge seals payloads as the first message of an exchange under the machine's
// ISAKMP SA, as only an authenticated peer can.
func Forge(p *Peer, kind isakmp.ExchangeType, ps []isakmp.Payload) []byte {
	return Begin(p, kind).Seal(ps)
}

// Talk is an exchange that a test holds under the machine's ISAKMP SA.
type Talk struct{ x *exchange }

// Begin begins one.
func Begin(p *Peer, kind isakmp.ExchangeType) Talk {
	sa := p.current()
	x := sa.exchange(kind, p.informational, initiator, p.messageID(sa))
	x.p, x.cfg = p, p.cfg
	return Talk{x}
}

// Seal makes its next message.
func (t Talk) Seal(ps []isakmp.Payload) []byte {
	x := t.x
	h := isakmp.Header{CkyI: x.sa.CkyI, CkyR: x.sa.CkyR, Version: isakmp.Version1, Exchange: x.kind, MessageID: x.msgID}
	return x.sealMessage(h, &x.script[0], ps)
}

// Open reads an answer, and verifies its HASH(1).
func (t Talk) Open(msg []byte) ([]isakmp.Payload, error) {
	x := t.x
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		return nil, err
	}
	m, err := openSealed(x.sa.cbc, x.iv, h, msg, x.cfg.Padding)
	if err != nil {
		return nil, err
	}
	if len(m.payloads) == 0 || !oakley.Equal(hash1(x, m.rest), m.payloads[0].Body) || h.MessageID != x.msgID {
		return nil, errors.New("HASH(1) does not verify")
	}
	x.iv = m.iv
	return m.payloads[1:], nil
}

// Early is how many octets a machine keeps for a phase 1 that is not over.
func Early(p *Peer) (octets int) {
	for _, x := range p.exchanges {
		octets += x.sa.early.octets
	}
	return octets
}

// SetCommit makes the machine a responder that sets the commit bit and says CONNECTED;
// the bit itself is in the header, which the net can write.
func SetCommit(p *Peer) {
	p.quick = append(quickMode[:3:3], step{from: responder, seal: sealed, hash: hash1, must: []isakmp.PayloadType{N}})
	p.handlers = maps.Clone(p.handlers)
	p.handlers[isakmp.QuickMode] = maps.Clone(p.handlers[isakmp.QuickMode])
	n := p.handlers[isakmp.QuickMode][N]
	p.handlers[isakmp.QuickMode][N] = handler{func(x *exchange) ([][]byte, error) {
		if x.pc < 3 {
			return n.emit(x)
		}
		return [][]byte{isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPI: x.qm.offer.Proposals[0].SPI, Type: isakmp.NotifyConnected}.Append(nil)}, nil
	}, n.take}
}

// Wear makes the ISAKMP SA in use so old that a successor is due.
func Wear(p *Peer, now time.Time) {
	if sa := p.current(); sa != nil {
		sa.renewAt = now
	}
}

// SoftLife is when a pair is renewed.
var SoftLife = softLife

// FragmentOctets is what a machine holds of messages not whole yet.
func FragmentOctets(p *Peer) int { return p.fragmentOctets() }

// ForgeNotify seals a notify, as only an authenticated peer can.
func ForgeNotify(p *Peer, n isakmp.Notify) []byte {
	sa := p.current()
	x := sa.exchange(isakmp.Informational, p.informational, initiator, p.messageID(sa))
	x.p, x.cfg = p, p.cfg
	h := isakmp.Header{CkyI: sa.CkyI, CkyR: sa.CkyR, Version: isakmp.Version1, Exchange: isakmp.Informational, MessageID: x.msgID}
	return x.sealMessage(h, &x.script[0], []isakmp.Payload{{Type: N, Body: n.Append(nil)}})
}

// MessageIDs is how many message IDs a machine remembers.
func MessageIDs(p *Peer) (n int) {
	for _, sa := range p.sas {
		n += len(sa.used)
	}
	return n
}

// NewWindow returns the take of a new window.
func NewWindow() func(uint32) bool { return new(window).take }

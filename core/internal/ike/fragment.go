package ike

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// IKE fragmentation as Cisco, Microsoft ([MS-IKEE] section 3.3) and the original
// racoon have it. It is unauthenticated: any fragment may be forged by whoever sees
// the cookies, and a message made with it does not verify. So the newest fragment
// counts, and what is forged is gone with the next repetition of the real ones.

// The sizes of the original: a datagram of 552 octets with header, fragment header and
// a non-ESP marker.
const (
	wholeSize = 552 - 4 // octets of the largest message that is not cut
	sliceSize = 512
)

// Bounds of the fragments held, in octets. What is kept of a stranger's messages
// counts against its room (architecture 3.13).
const (
	maxMessages   = 4  // of which there are fragments at a time
	fragmentCost  = 64 // of a fragment beside its own octets
	roomOfPeer    = 64 << 10
	roomOfProven  = 8 << 10 // it has returned our cookie
	roomOfUnknown = maxOffer + 512
)

// put sends a message, cut where it is large and the peer takes fragments. All whole
// messages leave through it.
func (p *Peer) put(sa *ISAKMPSA, path Path, msg []byte) {
	if sa.onWire(msg) == len(msg) {
		p.out = append(p.out, Send{path, msg})
		return
	}
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		return // we have made it
	}
	h.Flags &^= isakmp.FlagEncryption // it is the message inside that is sealed
	sum := sha256.Sum256(msg)         // a repetition completes what came of the first
	f := isakmp.Fragment{ID: binary.BigEndian.Uint16(sum[:])}
	for slice := range slices.Chunk(msg, sliceSize) {
		f.Number++
		f.Data, f.Last = slice, int(f.Number)*sliceSize >= len(msg)
		p.out = append(p.out, Send{path, isakmp.AppendMessage(nil, h, []isakmp.Payload{{Type: isakmp.PayloadFragment, Body: f.Append(nil)}})})
	}
}

// onWire is how many octets a message takes on the wire.
func (sa *ISAKMPSA) onWire(msg []byte) int {
	const headers = isakmp.HeaderLen + 8 // of each fragment
	if len(msg) <= wholeSize || !sa.cuts() {
		return len(msg)
	}
	return len(msg) + (len(msg)+sliceSize-1)/sliceSize*headers
}

// cuts reports whether large messages are sent in fragments: both ends have said that
// they take them, or an initiator does not wait to be told.
func (sa *ISAKMPSA) cuts() bool {
	return sa.agreed(isakmp.VendorFragmentation) || sa.role == initiator && sa.Remote.IKEFrag == policy.Force
}

// takesFragments is what sections with ike_frag say; acceptsFragments reports whether
// one of them does.
func takesFragments(r *policy.Remote) bool { return r.IKEFrag != policy.Off }

func acceptsFragments(rs []*policy.Remote) bool { return slices.ContainsFunc(rs, takesFragments) }

// fragmentCapability is what stands behind the vendor ID: a bit for the exchange, as
// the original has them.
func fragmentCapability(kind isakmp.ExchangeType) []byte {
	if kind == isakmp.Base {
		return []byte{0x40, 0, 0, 0}
	}
	return []byte{0x80, 0, 0, 0}
}

// fragmentsIn reports whether a peer that says these capabilities takes fragments in
// the exchange. One that says no capabilities takes them in all.
func fragmentsIn(kind isakmp.ExchangeType, capability []byte) bool {
	return len(capability) == 0 || capability[0]&fragmentCapability(kind)[0] != 0
}

// fragments are the slices of one message that have come so far.
type fragments struct {
	of    fragmentsOf
	until time.Time // [MS-IKEE] section 3.3.2: they are thrown away
	parts map[uint8][]byte
	last  uint8 // number of the last one, 0 = not known
	high  uint8 // highest number there is
	size  int   // octets of all parts
}

// fragmentsOf tells messages apart. Old racoons give all of them the same ID and no
// message ID.
type fragmentsOf struct {
	path   Path
	header isakmp.Header // without what differs between fragments
	id     uint16
}

func (s *fragments) cost() int { return s.size + len(s.parts)*fragmentCost }

// add takes one more. Of two with the same number the newer counts; one that cannot
// be of the same message begins it anew.
func (s *fragments) add(f isakmp.Fragment) {
	if s.parts == nil || f.Last && f.Number < s.high || s.last != 0 && f.Number > s.last {
		s.parts, s.last, s.high, s.size = map[uint8][]byte{}, 0, 0, 0
	}
	if f.Number == s.last {
		s.last = 0
	}
	if f.Last {
		s.last = f.Number
	}
	s.size += len(f.Data) - len(s.parts[f.Number])
	s.parts[f.Number] = bytes.Clone(f.Data) // not the datagram around it
	s.high = max(s.high, f.Number)
}

// whole returns the message once all of it is there, by its own length; nil before.
func (s *fragments) whole() []byte {
	if s.last == 0 || len(s.parts) != int(s.last) || binary.BigEndian.Uint32(s.parts[1][isakmp.HeaderLen-4:]) != uint32(s.size) {
		return nil
	}
	msg := make([]byte, 0, s.size)
	for n := range s.last {
		msg = append(msg, s.parts[n+1]...)
	}
	return msg
}

// fragment takes a fragment of the peer's, and its message with the last that was
// missing.
func (p *Peer) fragment(ev Datagram, h isakmp.Header) {
	sections, room := p.fragmentsFor(h)
	if room == 0 {
		p.dropped(ev, h, notice.UnknownSA, "a fragment for which there are no such cookies")
		return
	}
	if !acceptsFragments(sections) {
		p.dropped(ev, h, notice.UnexpectedPayload, "fragments are not taken: ike_frag is off")
		return
	}
	_, ps, err := isakmp.ParseMessage(ev.Data)
	if err != nil || len(ps) != 1 {
		p.dropped(ev, h, notice.BadPayload, "a fragment stands alone in its message")
		return
	}
	f, err := isakmp.ParseFragment(ps[0].Body)
	if err != nil {
		p.dropped(ev, h, notice.BadPayload, err.Error())
		return
	}
	if f.Number == 1 && !beginsMessage(f.Data, h) {
		p.dropped(ev, h, notice.BadPayload, "the first fragment does not begin a message of this exchange")
		return
	}
	s := p.fragmentsOf(ev.Path, h, f.ID)
	s.add(f)
	if !p.makeRoom(room) {
		p.dropped(ev, h, notice.Busy, "more fragments than are kept")
		return
	}
	if msg := s.whole(); msg != nil {
		p.dropFragments(func(o *fragments) bool { return o == s })
		p.datagram(Datagram{ev.Path, msg})
	}
}

// beginsMessage reports whether the slice has a header of the exchange its fragment is
// of, and what follows is not fragments again.
func beginsMessage(b []byte, of isakmp.Header) bool {
	if len(b) < isakmp.HeaderLen {
		return false
	}
	return isakmp.Cookie(b[:8]) == of.CkyI && isakmp.Cookie(b[8:16]) == of.CkyR &&
		isakmp.PayloadType(b[16]) != isakmp.PayloadFragment && isakmp.ExchangeType(b[18]) == of.Exchange
}

// fragmentsFor finds the sections whose word on fragments counts, and how many octets
// of them the sender may have us hold: none if nothing has its cookies.
func (p *Peer) fragmentsFor(h isakmp.Header) (sections []*policy.Remote, room int) {
	room = roomOfPeer
	if p.setup.Stranger && h.CkyR.IsZero() {
		room = roomOfUnknown
	} else if p.setup.Stranger {
		room = roomOfProven
	}
	for _, x := range p.exchanges {
		if x.p1 != nil && x.sa.CkyI == h.CkyI && (x.sa.CkyR == h.CkyR || x.sa.CkyR.IsZero() || h.CkyR.IsZero()) {
			switch {
			case p.setup.Stranger && h.CkyR.IsZero():
				room -= len(x.p1.saiB)
			case p.setup.Stranger:
				room -= x.holds()
			}
			return x.p1.remotes, max(room, 1)
		}
	}
	if sa := p.under(h); sa != nil {
		return []*policy.Remote{sa.Remote}, room
	}
	if p.setup.Stranger && h.CkyR.IsZero() && len(p.exchanges) == 0 {
		return p.setup.Remotes, room
	}
	return nil, 0
}

// holds is the octets a phase 1 keeps of what was said in it, both ends' together.
func (x *exchange) holds() int {
	n := x.sa.early.octets
	for _, b := range [][]byte{x.p1.saiB, x.p1.ni, x.p1.nr, x.p1.gxi, x.p1.gxr, x.p1.idii, x.p1.idir, x.inbox, x.answer} {
		n += cap(b)
	}
	return n
}

// fragmentsOf finds where a fragment belongs and makes it the newest. A message too
// many takes the place of the one that has not moved longest.
func (p *Peer) fragmentsOf(path Path, h isakmp.Header, id uint16) *fragments {
	h.Length, h.Flags = 0, 0
	of := fragmentsOf{path, h, id}
	s := &fragments{of: of, until: p.now.Add(min(p.patience(), 90*time.Second))}
	i := slices.IndexFunc(p.fragments, func(s *fragments) bool { return s.of == of })
	if i < 0 && len(p.fragments) >= maxMessages {
		p.fragments = slices.Delete(p.fragments, 0, 1)
	} else if i >= 0 {
		s = p.fragments[i]
		p.fragments = slices.Delete(p.fragments, i, i+1)
	}
	p.fragments = append(p.fragments, s)
	return s
}

// makeRoom keeps what is held within bounds, the newest message last to go. It
// reports whether that is still there.
func (p *Peer) makeRoom(room int) bool {
	held := p.fragmentOctets()
	p.dropFragments(func(s *fragments) bool {
		if held <= room {
			return false
		}
		held -= s.cost()
		return true
	})
	return len(p.fragments) > 0
}

func (p *Peer) fragmentOctets() (n int) {
	for _, s := range p.fragments {
		n += s.cost()
	}
	return n
}

func (p *Peer) dropFragments(which func(*fragments) bool) {
	if p.fragments = slices.DeleteFunc(p.fragments, which); len(p.fragments) == 0 {
		p.fragments = nil
	}
}

// expireFragments throws away what was never completed.
func (p *Peer) expireFragments() {
	p.dropFragments(func(s *fragments) bool { return due(s.until, p.now) })
}

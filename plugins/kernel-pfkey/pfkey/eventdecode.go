package pfkey

import (
	"errors"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// saChanges are the messages about SAs that were made: events only for who asks.
var saChanges = map[uint8]kernel.EventKind{msgAdd: kernel.SAAdded, msgUpdate: kernel.SAUpdated}

// event is what a message means to who wants mask; Kind 0: nothing. ours says whether
// we have caused it.
func (m *received) event(ours func(*received) bool, mask kernel.EventMask) (ev kernel.Event, err error) {
	if m.errno != 0 { // somebody's request failed
		return ev, nil
	}
	if kind := saChanges[m.typ]; kind != 0 {
		if !mask.Has(kind) {
			return ev, nil
		}
		return m.saChanged(kind)
	}
	switch m.typ {
	case msgAcquire:
		return m.acquire()
	case msgExpire:
		return m.expire()
	case msgDelete:
		return m.deleted(ours)
	case msgFlush:
		if !ours(m) {
			ev.Kind = kernel.SAFlushed
		}
		return ev, nil
	case msgSPDAdd, msgSPDUpdate:
		return m.policyChanged()
	case msgSPDDelete, msgSPDDelete2, msgSPDExpire:
		return m.policyDeleted()
	case msgSPDFlush:
		return kernel.Event{Kind: kernel.PolicyFlushed}, nil
	}
	if n := m.sys.NATT.Mapping; n != 0 && m.typ == n {
		return m.mapping()
	}
	return ev, nil
}

// acquire: the kernel names the policy by its index, and the SA it would like.
func (m *received) acquire() (ev kernel.Event, err error) {
	if protocols[m.saType] == 0 {
		return ev, nil
	}
	src, dst, err := m.addresses()
	if err != nil {
		return ev, err
	}
	ev = kernel.Event{
		Kind: kernel.Acquire, AcquireSeq: m.seq,
		Key: kernel.Key{Src: specified(src.addr), Dst: specified(dst.addr), Proto: protocols[m.saType]},
	}
	e, err := m.get(extPolicy, sizePolicy)
	if err != nil {
		return ev, err
	}
	if e != nil {
		ev.Policy = &kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Direction(e[polDir]), ID: native.Uint32(e[polID:])}, Action: kernel.ActionIPsec}
	}
	ev.Proposals, err = m.proposals(ev.Key.Proto)
	return ev, err
}

// Offsets of a sadb_comb.
const (
	combAuth        = 0
	combEncrypt     = 1
	combAuthMin     = 4
	combAuthMax     = 6
	combEncryptMin  = 8
	combEncryptMax  = 10
	combSoftBytes   = 24
	combHardBytes   = 32
	combSoftAddtime = 40
	combHardAddtime = 48
)

// proposals reads what the kernel would accept. Algorithms we have no number for
// are left out.
func (m *received) proposals(proto uint8) (list []kernel.Proposal, err error) {
	e, err := m.get(extProposal, sizeProposal)
	if err != nil || e == nil {
		return nil, err
	}
	for e = e[sizeProposal:]; len(e) >= sizeComb; e = e[sizeComb:] {
		p := kernel.Proposal{
			Proto: proto, Auth: m.sys.Auth.doi(uint16(e[combAuth])), Encr: m.sys.Encr.doi(uint16(e[combEncrypt])),
			AuthMinBits: native.Uint16(e[combAuthMin:]), AuthBits: native.Uint16(e[combAuthMax:]),
			EncrMinBits: native.Uint16(e[combEncryptMin:]), EncrBits: native.Uint16(e[combEncryptMax:]),
			Life: kernel.Lifetime{
				SoftBytes: native.Uint64(e[combSoftBytes:]), HardBytes: native.Uint64(e[combHardBytes:]),
				SoftTime: seconds(native.Uint64(e[combSoftAddtime:])), HardTime: seconds(native.Uint64(e[combHardAddtime:])),
			},
		}
		if e[combAuth] != 0 && p.Auth == 0 || e[combEncrypt] != 0 && p.Encr == 0 {
			continue
		}
		list = append(list, p)
	}
	return list, nil
}

func (m *received) expire() (ev kernel.Event, err error) {
	if protocols[m.saType] == 0 {
		return ev, nil
	}
	hard, soft := m.ext[extLifetimeHard] != nil, m.ext[extLifetimeSoft] != nil
	switch {
	case hard == soft:
		return ev, errors.New("EXPIRE that is neither soft nor hard, or both")
	case hard:
		ev.Kind = kernel.ExpireHard
	default:
		ev.Kind = kernel.ExpireSoft
	}
	ev.Key, err = m.saKey()
	return ev, err
}

func (m *received) deleted(ours func(*received) bool) (ev kernel.Event, err error) {
	switch {
	case ours(m):
		return ev, nil
	case protocols[m.saType] == 0:
		return ev, nil
	case m.ext[extSA] == nil: // KAME: all between two addresses
		ev.Kind = kernel.SAFlushed
		return ev, nil
	}
	ev.Kind = kernel.SADeleted
	ev.Key, err = m.saKey()
	return ev, err
}

// saChanged: KAME tells everybody the SA without its keys, Linux with them.
func (m *received) saChanged(kind kernel.EventKind) (ev kernel.Event, err error) {
	o, ok, err := m.decodeSA(time.Time{}, false)
	if err != nil || !ok {
		return ev, err
	}
	if o.SA.Key, err = m.movedTo(o.SA.Key); err != nil {
		return ev, err
	}
	return kernel.Event{Kind: kind, Key: o.SA.Key, SA: o.SA}, nil
}

// movedTo is the name an SA has after a move, of which FreeBSD tells with the old one.
func (m *received) movedTo(k kernel.Key) (kernel.Key, error) {
	s := m.sys
	if s.NewSrc != 0 && m.ext[s.NewSrc] != nil {
		to, err := m.address(s.NewSrc)
		if err != nil {
			return k, err
		}
		k.Src = to.addr
	}
	if s.NewDst != 0 && m.ext[s.NewDst] != nil {
		to, err := m.address(s.NewDst)
		if err != nil {
			return k, err
		}
		k.Dst = to.addr
	}
	return k, nil
}

func (m *received) policyChanged() (ev kernel.Event, err error) {
	p, _, ok, err := m.decodePolicy()
	if err != nil || !ok {
		return ev, err
	}
	ev.Kind, ev.Policy = kernel.PolicyAdded, p
	if m.typ == msgSPDUpdate {
		ev.Kind = kernel.PolicyUpdated
	}
	return ev, nil
}

func (m *received) policyDeleted() (ev kernel.Event, err error) {
	k, ok, err := m.policyKey()
	if err != nil || !ok {
		return ev, err
	}
	ev.Kind, ev.Policy = kernel.PolicyDeleted, &kernel.Policy{Key: k}
	return ev, nil
}

// mapping: the SA by SPI and source, and where its peer is now (Linux).
func (m *received) mapping() (ev kernel.Event, err error) {
	if protocols[m.saType] == 0 {
		return ev, nil
	}
	key, err := m.saKey()
	if err != nil {
		return ev, err
	}
	port, err := m.port(m.sys.NATT.DstPort)
	ev = kernel.Event{Kind: kernel.Mapping, NewRemote: netip.AddrPortFrom(key.Dst, port)}
	key.Dst = netip.Addr{}
	ev.Key = key
	return ev, err
}

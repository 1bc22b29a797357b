//go:build linux

package xfrm

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// saChanges are the messages about SAs that were made: events only for who asks.
var saChanges = map[netlink.HeaderType]kernel.EventKind{msgNewSA: kernel.SAAdded, msgUpdSA: kernel.SAUpdated}

// decodeXFRM is decodeEvent without SAs that nobody wants to know of, and without
// the deletions of ours.
func (b *Backend) decodeXFRM(m netlink.Message, mask kernel.EventMask) (kernel.Event, error) {
	if kind := saChanges[m.Header.Type]; kind != 0 && !mask.Has(kind) {
		return kernel.Event{}, nil
	}
	ev, err := decodeEvent(m.Header.Type, m.Data)
	if ours := m.Header.PID != 0 && m.Header.PID == b.xfrm.port.Load(); ours && (ev.Kind == kernel.SADeleted || ev.Kind == kernel.SAFlushed) {
		return kernel.Event{}, err
	}
	return ev, err
}

// decodeEvent reads one message of the XFRM groups. Kind 0 is nothing to report.
func decodeEvent(typ netlink.HeaderType, data []byte) (kernel.Event, error) {
	switch typ {
	case msgAcquire:
		return decodeAcquire(data)
	case msgExpire:
		return decodeExpire(data)
	case msgDelSA:
		return decodeDelSA(data)
	case msgFlushSA:
		return kernel.Event{Kind: kernel.SAFlushed}, nil
	case msgNewPolicy:
		return policyEvent(kernel.PolicyAdded, data, sizePolicyInfo)
	case msgUpdPolicy:
		return policyEvent(kernel.PolicyUpdated, data, sizePolicyInfo)
	case msgPolExpire:
		return decodePolExpire(data)
	case msgDelPolicy:
		return decodeDelPolicy(data)
	case msgFlushPolicy:
		return kernel.Event{Kind: kernel.PolicyFlushed}, nil
	case msgMapping:
		return decodeMapping(data)
	case msgNewSA, msgUpdSA:
		return saEvent(saChanges[typ], data)
	}
	return kernel.Event{}, nil
}

// saEvent reads an xfrm_usersa_info, and leaves the keys in it.
func saEvent(kind kernel.EventKind, b []byte) (kernel.Event, error) {
	o, err := decodeSA(b, time.Time{}, false)
	if err != nil || !isIPsec(o.SA.Key.Proto) {
		return kernel.Event{}, err
	}
	return kernel.Event{Kind: kind, Key: o.SA.Key, SA: o.SA}, nil
}

// decodeAcquire reads an xfrm_user_acquire: a packet needs SAs. Key has the end
// points and protocol of the SA the kernel waits for, Policy and Templates are of
// the policy that asks. The algorithm masks allow everything and say nothing.
func decodeAcquire(b []byte) (ev kernel.Event, err error) {
	if err := need(b, sizeAcquire, "xfrm_user_acquire"); err != nil {
		return ev, err
	}
	policy, _, ok, err := decodePolicyParts(b[acqPolicy:acqPolicy+sizePolicyInfo], b[sizeAcquire:])
	if err != nil {
		return ev, err
	}
	sel, selOK := getSelector(b[acqSel:])
	if !selOK {
		return ev, fmt.Errorf("acquire %d has no selector", native.Uint32(b[acqSeq:]))
	}
	family := native.Uint16(b[acqSel+selFamily:])
	if ok && len(policy.Templates) > 0 {
		// In tunnel mode the end points may be of another family than the packet.
		if dst := policy.Templates[0].Dst; dst.IsValid() {
			family = familyOf(dst)
		}
	}
	ev = kernel.Event{
		Kind: kernel.Acquire,
		Key: kernel.Key{
			Src: getAddr(b[acqSrc:], family), Dst: getAddr(b[acqDst:], family), Proto: b[acqProto],
		},
		Sel:        &sel,
		AcquireSeq: native.Uint32(b[acqSeq:]),
	}
	if ok {
		// A socket's own policy is not of the SPD: without it the engine cannot know
		// which policy asks, and says so.
		ev.Policy, ev.Templates = policy, policy.Templates
		ev.Key.Mark, ev.Key.IfID, ev.Key.Policy = policy.Key.Mark, policy.Key.IfID, &policy.Key
	}
	return ev, nil
}

// decodeExpire reads an xfrm_user_expire. A larval SA that nobody completed
// expires hard; AcquireSeq says which acquire it was for, if any.
func decodeExpire(b []byte) (ev kernel.Event, err error) {
	if err := need(b, sizeExpire, "xfrm_user_expire"); err != nil {
		return ev, err
	}
	family := native.Uint16(b[saFamily:])
	ev = kernel.Event{
		Kind: kernel.ExpireSoft,
		Key: kernel.Key{
			Src: getAddr(b[saSrc:], family), Dst: getAddr(b[saDst:], family),
			SPI: big.Uint32(b[saSPI:]), Proto: b[saProto],
		},
		AcquireSeq: native.Uint32(b[saSeq:]),
	}
	if b[expireHard] != 0 {
		ev.Kind = kernel.ExpireHard
	}
	return ev, keyAttrs(&ev.Key, b[sizeExpire:])
}

// keyAttrs takes from attrs what is part of an SA's name.
func keyAttrs(k *kernel.Key, attrs []byte) error {
	return eachAttr(attrs, func(typ uint16, data []byte) (err error) {
		switch typ {
		case attrMark:
			k.Mark, err = getMark(data)
		case attrIfID:
			k.IfID, err = getUint32(data, "XFRMA_IF_ID")
		}
		return err
	})
}

// decodeDelSA reads an xfrm_usersa_id and the SA it was, an XFRMA_SA.
func decodeDelSA(b []byte) (ev kernel.Event, err error) {
	ev.Kind = kernel.SADeleted
	if ev.Key, err = decodeSAID(b); err != nil {
		return ev, err
	}
	err = eachAttr(b[sizeSAID:], func(typ uint16, data []byte) error {
		if typ != attrSA {
			return nil
		}
		o, err := decodeSA(data, time.Time{}, false)
		if err == nil {
			ev.Key.Src = o.SA.Key.Src
		}
		return err
	})
	if err != nil {
		return ev, err
	}
	return ev, keyAttrs(&ev.Key, b[sizeSAID:])
}

// policyEvent reads an xfrm_userpolicy_info whose attributes begin at attrs.
func policyEvent(kind kernel.EventKind, b []byte, attrs int) (ev kernel.Event, err error) {
	if err := need(b, attrs, "policy event"); err != nil {
		return ev, err
	}
	p, _, ok, err := decodePolicyParts(b[:sizePolicyInfo], b[attrs:])
	if err != nil || !ok {
		return ev, err
	}
	return kernel.Event{Kind: kind, Policy: p, Key: kernel.Key{Policy: &p.Key, Mark: p.Key.Mark, IfID: p.Key.IfID}}, nil
}

// decodePolExpire reads an xfrm_user_polexpire. The kernel deletes a policy at
// its hard limit and says nothing else.
func decodePolExpire(b []byte) (ev kernel.Event, err error) {
	if err := need(b, sizePolExpire, "xfrm_user_polexpire"); err != nil {
		return ev, err
	}
	if b[polExpireHard] == 0 {
		return ev, nil
	}
	return policyEvent(kernel.PolicyDeleted, b, sizePolExpire)
}

// decodeDelPolicy reads an xfrm_userpolicy_id and the policy it was, an
// XFRMA_POLICY.
func decodeDelPolicy(b []byte) (ev kernel.Event, err error) {
	if err := need(b, sizePolicyID, "xfrm_userpolicy_id"); err != nil {
		return ev, err
	}
	var info []byte
	attrs := b[sizePolicyID:]
	err = eachAttr(attrs, func(typ uint16, data []byte) error {
		if typ == attrPolicy {
			info = data
		}
		return nil
	})
	if err != nil {
		return ev, err
	}
	p, _, ok, err := decodePolicyParts(info, attrs)
	if err != nil || !ok {
		return ev, err
	}
	return kernel.Event{Kind: kernel.PolicyDeleted, Policy: p, Key: kernel.Key{Policy: &p.Key, Mark: p.Key.Mark, IfID: p.Key.IfID}}, nil
}

// decodeMapping reads an xfrm_user_mapping: ESP in UDP came from another address
// or port than the SA has. The SA is as it was.
func decodeMapping(b []byte) (ev kernel.Event, err error) {
	if err := need(b, sizeMapping, "xfrm_user_mapping"); err != nil {
		return ev, err
	}
	ev.Kind = kernel.Mapping
	if ev.Key, err = decodeSAID(b); err != nil {
		return ev, err
	}
	family := native.Uint16(b[idFamily:])
	ev.Key.Src = getAddr(b[mapOldSrc:], family)
	ev.NewRemote = netip.AddrPortFrom(getAddr(b[mapNewSrc:], family), big.Uint16(b[mapNewPort:]))
	return ev, nil
}

//go:build linux

package xfrm

import (
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Directions of the two sides; per-socket policies have others and are nobody's
// business.
var (
	dirToKernel   = map[kernel.Direction]byte{kernel.In: dirIn, kernel.Out: dirOut, kernel.Fwd: dirFwd}
	dirFromKernel = map[byte]kernel.Direction{dirIn: kernel.In, dirOut: kernel.Out, dirFwd: kernel.Fwd}
)

// kernel.Policy.Priority is the kernel's unsigned priority moved to the signed
// range: smaller is tried first, and 0 is setkey(8)'s default 0x80000000.
func priorityToKernel(p int32) uint32   { return uint32(p) ^ 0x80000000 }
func priorityFromKernel(p uint32) int32 { return int32(p ^ 0x80000000) }

func describePolicy(k kernel.PolicyKey) string {
	dir := map[kernel.Direction]string{kernel.In: "in", kernel.Out: "out", kernel.Fwd: "fwd"}[k.Dir]
	return fmt.Sprintf("policy %s %v -> %v index %d", dir, k.Sel.Src, k.Sel.Dst, k.ID)
}

// encodePolicy returns the body of XFRM_MSG_NEWPOLICY or UPDPOLICY. The index is
// the kernel's choice.
func encodePolicy(p *kernel.Policy) ([]byte, error) {
	dir, ok := dirToKernel[p.Key.Dir]
	if !ok {
		return nil, unsupported("policy direction %d", p.Key.Dir)
	}
	b := make([]byte, sizePolicyInfo, sizePolicyInfo+64*(len(p.Templates)+1))
	if err := putSelector(b[polSel:], p.Key.Sel); err != nil {
		return nil, err
	}
	switch p.Action {
	case kernel.ActionDiscard:
		b[polAction] = actionBlock
	case kernel.ActionNone, kernel.ActionBypass, kernel.ActionIPsec:
		b[polAction] = actionAllow
	default:
		return nil, unsupported("policy action %d", p.Action)
	}
	if (p.Action == kernel.ActionIPsec) != (len(p.Templates) > 0) {
		return nil, invalid("%s: action %d with %d templates", describePolicy(p.Key), p.Action, len(p.Templates))
	}
	if p.Label != "" {
		return nil, unsupported("security label on a policy")
	}
	putLifetime(b[polLife:], p.Life)
	native.PutUint32(b[polPriority:], priorityToKernel(p.Priority))
	b[polDir] = dir
	if len(p.Templates) > 0 {
		tmpls := make([]byte, sizeTmpl*len(p.Templates))
		for i, t := range p.Templates {
			if err := putTemplate(tmpls[i*sizeTmpl:], t, native.Uint16(b[selFamily:])); err != nil {
				return nil, err
			}
		}
		b = appendAttr(b, attrTmpl, tmpls)
	}
	return appendIfID(appendMark(b, p.Key.Mark), p.Key.IfID), nil
}

// putTemplate writes an xfrm_user_tmpl. A template of transport mode may have no
// addresses; family is that of the policy's selector.
func putTemplate(b []byte, t kernel.Template, family uint16) error {
	mode, ok := modeToKernel[t.Mode]
	if !ok {
		return unsupported("template mode %d", t.Mode)
	}
	switch {
	case !isIPsec(t.Proto):
		return unsupported("template protocol %d", t.Proto)
	case t.Level > kernel.LevelUnique:
		return unsupported("template level %d", t.Level)
	case t.Level == kernel.LevelUnique && t.ReqID == 0:
		return invalid("a template of level unique needs a reqid")
	case mode != modeTransport || t.Src.IsValid() || t.Dst.IsValid():
		src, dst, err := endpoints(t.Src, t.Dst)
		if err != nil {
			return err
		}
		putAddr(b[tmplDst:], dst)
		putAddr(b[tmplSrc:], src)
		family = familyOf(dst)
	}
	b[tmplProto] = t.Proto
	native.PutUint16(b[tmplFamily:], family)
	native.PutUint32(b[tmplReqID:], t.ReqID)
	b[tmplMode] = mode
	if t.Level == kernel.LevelUse {
		b[tmplOptional] = 1
	}
	for i := range 3 {
		native.PutUint32(b[tmplAuthAlgs+4*i:], ^uint32(0)) // any algorithm
	}
	return nil
}

// encodePolicyID returns the body of XFRM_MSG_DELPOLICY and GETPOLICY: by the
// kernel's index if k has one, else by selector. Mark and interface are part of
// the name.
func encodePolicyID(k kernel.PolicyKey) ([]byte, error) {
	dir, ok := dirToKernel[k.Dir]
	if !ok {
		return nil, unsupported("policy direction %d", k.Dir)
	}
	b := make([]byte, sizePolicyID, sizePolicyID+32)
	if k.ID == 0 {
		if err := putSelector(b[polSel:], k.Sel); err != nil {
			return nil, err
		}
	}
	native.PutUint32(b[polIDIndex:], k.ID)
	b[polIDDir] = dir
	return appendIfID(appendMark(b, k.Mark), k.IfID), nil
}

// decodePolicy reads an xfrm_userpolicy_info and its attributes. ok is false for
// a policy that is not of the SPD: a socket's, or a sub-policy of Mobile IPv6.
func decodePolicy(b []byte) (p *kernel.Policy, s kernel.Stats, ok bool, err error) {
	if err := need(b, sizePolicyInfo, "xfrm_userpolicy_info"); err != nil {
		return nil, s, false, err
	}
	return decodePolicyParts(b[:sizePolicyInfo], b[sizePolicyInfo:])
}

// decodePolicyParts is decodePolicy where the structure and the attributes are
// apart, as in an acquire or a delete event.
func decodePolicyParts(b, attrs []byte) (p *kernel.Policy, s kernel.Stats, ok bool, err error) {
	if err := need(b, sizePolicyInfo, "xfrm_userpolicy_info"); err != nil {
		return nil, s, false, err
	}
	dir, ok := dirFromKernel[b[polDir]]
	if !ok {
		return nil, s, false, nil
	}
	sel, ok := getSelector(b[polSel:])
	if !ok {
		return nil, s, false, nil
	}
	p = &kernel.Policy{
		Key:      kernel.PolicyKey{Dir: dir, Sel: sel, ID: native.Uint32(b[polIndex:])},
		Priority: priorityFromKernel(native.Uint32(b[polPriority:])),
		Life:     getLifetime(b[polLife:]),
	}
	sub := false
	err = eachAttr(attrs, func(typ uint16, data []byte) (err error) {
		switch typ {
		case attrPolicyType:
			sub = len(data) > 0 && data[0] != 0
		case attrTmpl:
			p.Templates, err = getTemplates(data)
		case attrMark:
			p.Key.Mark, err = getMark(data)
		case attrIfID:
			p.Key.IfID, err = getUint32(data, "XFRMA_IF_ID")
		}
		return err
	})
	if err != nil {
		return nil, s, false, fmt.Errorf("%s: %w", describePolicy(p.Key), err)
	}
	if sub {
		return nil, s, false, nil
	}
	switch {
	case b[polAction] == actionBlock:
		p.Action = kernel.ActionDiscard
	case len(p.Templates) > 0:
		p.Action = kernel.ActionIPsec
	default:
		p.Action = kernel.ActionNone
	}
	s = getStats(b[polCur:])
	s.FirstUse, s.LastUse = time.Time{}, s.FirstUse // a policy's use_time is set at every use
	return p, s, true, nil
}

func getTemplates(data []byte) ([]kernel.Template, error) {
	if len(data)%sizeTmpl != 0 {
		return nil, fmt.Errorf("XFRMA_TMPL has %d octets, want a multiple of %d", len(data), sizeTmpl)
	}
	var list []kernel.Template
	for ; len(data) > 0; data = data[sizeTmpl:] {
		family := native.Uint16(data[tmplFamily:])
		t := kernel.Template{
			Proto: data[tmplProto],
			Mode:  modeFromKernel[data[tmplMode]],
			ReqID: native.Uint32(data[tmplReqID:]),
			Src:   getAddr(data[tmplSrc:], family),
			Dst:   getAddr(data[tmplDst:], family),
			Level: kernel.LevelRequire,
		}
		switch {
		case data[tmplOptional] != 0:
			t.Level = kernel.LevelUse
		case t.ReqID != 0:
			t.Level = kernel.LevelUnique
		}
		list = append(list, t)
	}
	return list, nil
}

package control

import (
	"net/netip"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/racoon-ike/racoon/core/control/proto/racoon/control/v1"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

func peerToProto(st *ike.Status) *controlv1.Peer {
	p := &controlv1.Peer{
		Section: st.Key.Block, User: st.Key.User, Queued: uint32(st.Queued),
		Local: portText(st.Path.Local), Remote: portText(st.Path.Remote),
	}
	for i := range st.ISAKMP {
		sa := &st.ISAKMP[i]
		p.Isakmp = append(p.Isakmp, &controlv1.IsakmpSa{
			CkyI: sa.CkyI[:], CkyR: sa.CkyR[:], Local: portText(sa.Path.Local), Remote: portText(sa.Path.Remote), Initiator: sa.Initiator,
			PeerId: sa.PeerID, Encryption: sa.Encryption, Hash: sa.Hash, Group: sa.Group, Since: moment(sa.Since), Expire: moment(sa.Expire),
			Exchange: sa.Mode.String(), Nat: sa.NAT, Dpd: sa.DPD, Fragments: sa.Fragments,
		})
	}
	for i := range st.IPsec {
		p.Ipsec = append(p.Ipsec, ipsecToProto(&st.IPsec[i]))
	}
	for i := range st.Exchanges {
		x := &st.Exchanges[i]
		p.Exchanges = append(p.Exchanges, &controlv1.Exchange{
			Exchange: x.Exchange.String(), CkyI: x.CkyI[:], CkyR: x.CkyR[:], Msgid: x.MsgID, Initiator: x.Initiator,
			Step: uint32(x.Step), Waiting: x.Waiting, Since: moment(x.Since),
		})
	}
	return p
}

func ipsecToProto(sa *ike.IPsecStatus) *controlv1.IpsecSa {
	return &controlv1.IpsecSa{
		Local: addrText(sa.Local), Remote: addrText(sa.Remote), Selector: selectorToProto(sa.Selector),
		Proto: protoName(sa.Proto), Mode: modeName(sa.Mode), SpiIn: sa.SPIIn, SpiOut: sa.SPIOut, ReqidIn: sa.ReqIDIn, ReqidOut: sa.ReqIDOut,
		Encryption: sa.Encryption, Auth: sa.Auth, Initiator: sa.Initiator, Outbound: sa.Outbound, Replaced: sa.Replaced,
		Since: moment(sa.Since), Soft: span(sa.Soft), Hard: span(sa.Hard),
		HardKb: sa.HardKB, EncapLocal: uint32(sa.EncapLocal), EncapRemote: uint32(sa.EncapRemote),
	}
}

func noticeToProto(n notice.Notice, at time.Time) *controlv1.Notice {
	p := &controlv1.Notice{
		Time: timestamppb.New(at), Event: n.Event.String(), Level: int32(n.Level()), Text: n.String(), Section: n.Remote,
		Local: portText(n.Local), Remote: portText(n.Peer), Msgid: n.MsgID, Step: uint32(n.Step), Proto: protoName(n.Proto),
		SpiIn: n.SPI, SpiOut: n.SPIOut, Plugin: n.Plugin,
	}
	if n.Reason != 0 {
		p.Reason = n.Reason.String()
	}
	if !n.CkyI.IsZero() {
		p.CkyI, p.CkyR = n.CkyI[:], n.CkyR[:]
	}
	if n.Exchange != 0 {
		p.Exchange = n.Exchange.String()
	}
	return p
}

func changesToProto(p *policy.Plan) *controlv1.ConfigChanges {
	if p == nil {
		return nil
	}
	return &controlv1.ConfigChanges{
		Remotes: sectionsToProto(p.Remotes, func(r *policy.Remote) string { return r.Name }),
		Sainfos: sectionsToProto(p.SAInfos, (*policy.SAInfo).String),
		Others:  p.Others,
	}
}

func sectionsToProto[T any](c policy.Changes[T], name func(*T) string) *controlv1.SectionChanges {
	p := &controlv1.SectionChanges{Kept: uint32(len(c.Kept))}
	for _, s := range c.Added {
		p.Added = append(p.Added, name(s))
	}
	for _, s := range c.Removed {
		p.Removed = append(p.Removed, name(s))
	}
	for _, s := range c.Changed {
		p.Changed = append(p.Changed, name(s.New))
	}
	return p
}

func selectorToProto(s policy.Selector) *controlv1.Selector {
	return &controlv1.Selector{Local: prefixText(s.Local), Remote: prefixText(s.Remote),
		LocalPort: uint32(s.LocalPort), RemotePort: uint32(s.RemotePort), Proto: uint32(s.Proto)}
}

func selectorFromProto(p *controlv1.Selector) (s policy.Selector, err error) {
	if s.Local, err = parsePrefix("local", p.GetLocal()); err != nil {
		return s, err
	}
	if s.Remote, err = parsePrefix("remote", p.GetRemote()); err != nil {
		return s, err
	}
	switch {
	case p.GetLocalPort() > 65535 || p.GetRemotePort() > 65535:
		return s, errs.Errorf(errs.Invalid, "a port is larger than 65535")
	case p.GetProto() > 255:
		return s, errs.Errorf(errs.Invalid, "upper-layer protocol %d is larger than 255", p.GetProto())
	case s.Local.Addr().Is4() != s.Remote.Addr().Is4():
		return s, errs.Errorf(errs.Invalid, "%s and %s are not of one address family", s.Local, s.Remote)
	}
	s.LocalPort, s.RemotePort, s.Proto = uint16(p.GetLocalPort()), uint16(p.GetRemotePort()), uint8(p.GetProto())
	return s, nil
}

func parsePrefix(name, text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, errs.Errorf(errs.Invalid, "%s network: %v", name, err)
	}
	return p.Masked(), nil
}

func parseAddr(name, text string, optional bool) (netip.Addr, error) {
	if text == "" && optional {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, errs.Errorf(errs.Invalid, "%s address: %v", name, err)
	}
	return a.Unmap(), nil
}

// IP protocol numbers of SAs.
const (
	protoESP    = 50
	protoAH     = 51
	protoIPComp = 108
)

func protoName(n uint8) string {
	switch n {
	case protoESP:
		return "esp"
	case protoAH:
		return "ah"
	case protoIPComp:
		return "comp"
	}
	return ""
}

func protoNumber(name string) (uint8, error) {
	switch name {
	case "esp":
		return protoESP, nil
	case "ah":
		return protoAH, nil
	}
	return 0, errs.Errorf(errs.Invalid, "protocol %q is neither esp nor ah", name)
}

func modeName(m spd.Mode) string {
	switch m {
	case spd.Tunnel:
		return "tunnel"
	case spd.Transport:
		return "transport"
	}
	return ""
}

// Texts of what may be unknown: "" then.

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

func portText(ap netip.AddrPort) string {
	if !ap.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

package control

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/racoon-ike/racoon/core/control/proto/racoon/control/v1"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// reader turns texts into values; the first one that is none is its error.
type reader struct{ err error }

func (r *reader) failed(text string, err error) {
	if r.err == nil && err != nil {
		r.err = errs.Errorf(errs.Internal, "the daemon's answer contains %q: %v", text, err)
	}
}

func (r *reader) addr(text string) (a netip.Addr) {
	if text != "" {
		var err error
		a, err = netip.ParseAddr(text)
		r.failed(text, err)
	}
	return a
}

func (r *reader) addrPort(text string) (a netip.AddrPort) {
	if text != "" {
		var err error
		a, err = netip.ParseAddrPort(text)
		r.failed(text, err)
	}
	return a
}

func (r *reader) prefix(text string) (p netip.Prefix) {
	if text != "" {
		var err error
		p, err = netip.ParsePrefix(text)
		r.failed(text, err)
	}
	return p
}

func peerFromProto(p *controlv1.Peer) (Peer, error) {
	var r reader
	peer := Peer{Section: p.GetSection(), Local: r.addrPort(p.GetLocal()), Remote: r.addrPort(p.GetRemote()), User: p.GetUser(),
		Queued: int(p.GetQueued()), ISAKMP: []ISAKMPSA{}, IPsec: []IPsecSA{}, Exchanges: []Exchange{}} // [] and not null in JSON
	for _, sa := range p.GetIsakmp() {
		peer.ISAKMP = append(peer.ISAKMP, ISAKMPSA{Cookies: cookies(sa.GetCkyI(), sa.GetCkyR()), Local: r.addrPort(sa.GetLocal()),
			Remote: r.addrPort(sa.GetRemote()), Initiator: sa.GetInitiator(), PeerID: sa.GetPeerId(), Encryption: sa.GetEncryption(),
			Hash: sa.GetHash(), Group: sa.GetGroup(), Since: moment(sa.GetSince()), Expire: moment(sa.GetExpire()),
			Exchange: sa.GetExchange(), NAT: sa.GetNat(), DPD: sa.GetDpd(), Fragments: sa.GetFragments()})
	}
	for _, sa := range p.GetIpsec() {
		peer.IPsec = append(peer.IPsec, r.ipsec(sa))
	}
	for _, x := range p.GetExchanges() {
		peer.Exchanges = append(peer.Exchanges, Exchange{Exchange: x.GetExchange(), Cookies: cookies(x.GetCkyI(), x.GetCkyR()),
			MsgID: msgID(x.GetMsgid()), Initiator: x.GetInitiator(), Step: int(x.GetStep()), Waiting: x.GetWaiting(), Since: moment(x.GetSince())})
	}
	return peer, r.err
}

func (r *reader) ipsec(sa *controlv1.IpsecSa) IPsecSA {
	sel := sa.GetSelector()
	return IPsecSA{Proto: sa.GetProto(), Mode: sa.GetMode(), Local: r.addr(sa.GetLocal()), Remote: r.addr(sa.GetRemote()),
		Selector: Selector{Local: r.prefix(sel.GetLocal()), Remote: r.prefix(sel.GetRemote()),
			LocalPort: uint16(sel.GetLocalPort()), RemotePort: uint16(sel.GetRemotePort()), Proto: uint8(sel.GetProto())},
		SPIIn: SPI(sa.GetSpiIn()), SPIOut: SPI(sa.GetSpiOut()), ReqIDIn: sa.GetReqidIn(), ReqIDOut: sa.GetReqidOut(),
		Encryption: sa.GetEncryption(), Auth: sa.GetAuth(), Initiator: sa.GetInitiator(), Outbound: sa.GetOutbound(),
		Replaced: sa.GetReplaced(), Since: moment(sa.GetSince()), Soft: Seconds(sa.GetSoft().GetSeconds()), Hard: Seconds(sa.GetHard().GetSeconds()),
		HardKB: sa.GetHardKb(), EncapLocal: uint16(sa.GetEncapLocal()), EncapRemote: uint16(sa.GetEncapRemote())}
}

func noticeFromProto(n *controlv1.Notice) Notice {
	out := Notice{Time: moment(n.GetTime()), Event: n.GetEvent(), Reason: n.GetReason(), Level: int(n.GetLevel()), Text: n.GetText(),
		Section: n.GetSection(), Local: n.GetLocal(), Remote: n.GetRemote(), Exchange: n.GetExchange(), Step: int(n.GetStep()),
		Proto: n.GetProto(), SPIIn: SPI(n.GetSpiIn()), SPIOut: SPI(n.GetSpiOut()), Plugin: n.GetPlugin()}
	if len(n.GetCkyI()) > 0 {
		out.Cookies = cookies(n.GetCkyI(), n.GetCkyR())
	}
	if n.GetMsgid() != 0 {
		out.MsgID = msgID(n.GetMsgid())
	}
	return out
}

func changesFromProto(c *controlv1.ConfigChanges) Changes {
	sections := func(s *controlv1.SectionChanges) SectionChanges {
		return SectionChanges{list(s.GetAdded()), list(s.GetRemoved()), list(s.GetChanged()), int(s.GetKept())}
	}
	return Changes{sections(c.GetRemotes()), sections(c.GetSainfos()), list(c.GetOthers())}
}

// list is [] and not null in JSON.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func cookies(i, r []byte) string { return hex.EncodeToString(i) + ":" + hex.EncodeToString(r) }

func msgID(n uint32) string { return fmt.Sprintf("%08x", n) }

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

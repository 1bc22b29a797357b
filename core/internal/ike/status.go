package ike

import (
	"fmt"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// Status describes the machine. The result shares nothing with it.
func (p *Peer) Status(now time.Time) Status {
	s := Status{Key: p.key, Path: p.setup.Path, Queued: len(p.wants), Kept: len(p.kept)}
	for _, sa := range p.sas {
		s.ISAKMP = append(s.ISAKMP, ISAKMPStatus{CkyI: sa.CkyI, CkyR: sa.CkyR, Path: sa.Path, Initiator: sa.role == initiator,
			Remote: sa.Remote.Name, PeerID: sa.PeerID.String(), Encryption: sa.cipher.Name(sa.keyBits), Hash: sa.hash.String(),
			Group: sa.group.String(), Since: sa.Since, Expire: sa.Expires, Mode: sa.mode, NAT: sa.nat.ends(),
			DPD: sa.agreed(isakmp.VendorDPD), Fragments: sa.agreed(isakmp.VendorFragmentation)})
	}
	for _, q := range p.pairs {
		st := IPsecStatus{Selector: q.policy.Selector(),
			Initiator: q.initiator, Outbound: q.outbound, Replaced: q.replaced, Since: q.since, Soft: q.soft.Time, Hard: q.hard.Time, HardKB: q.hard.KB}
		for i := range q.in { // a bundle's SAs share all the rest
			st.Local, st.Remote = q.out[i].Src, q.out[i].Dst // where the kernel has it
			st.Proto, st.Mode, st.SPIIn, st.SPIOut = q.in[i].Proto, q.in[i].Mode, q.in[i].SPI, q.out[i].SPI
			st.Encryption, st.Auth = doi.EncrName(q.suites[i].Encr, q.suites[i].KeyBits), doi.AuthName(q.suites[i].Auth)
			st.ReqIDIn, st.ReqIDOut = q.in[i].ReqID, q.out[i].ReqID
			st.EncapLocal, st.EncapRemote = 0, 0
			if e := q.out[i].Encap; e != nil {
				st.EncapLocal, st.EncapRemote = e.SrcPort, e.DstPort
			}
			s.IPsec = append(s.IPsec, st)
		}
	}
	for _, x := range p.exchanges {
		if x.over {
			continue
		}
		st := ExchangeStatus{Exchange: x.kind, CkyI: x.sa.CkyI, CkyR: x.sa.CkyR, MsgID: x.msgID, Initiator: x.role == initiator,
			Step: x.pc + 1, Waiting: x.pendingCall(), Since: x.began}
		if st.Waiting == "" {
			st.Waiting = "peer"
		}
		s.Exchanges = append(s.Exchanges, st)
	}
	return s
}

// pendingCall names the question an exchange waits for, "" if it waits for the peer.
func (x *exchange) pendingCall() string {
	var first CallID
	for id, c := range x.p.calls {
		if c.x == x && (first == 0 || id < first) {
			first = id
		}
	}
	if first == 0 {
		return ""
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", x.p.calls[first].req), "ike.")
}

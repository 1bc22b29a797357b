package engine

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// This is the one place where the machine's requests become the SDK's types, and
// the kernel's objects become spd's.

func skeyidRequest(r ike.DeriveSKEYIDs) auth.SKEYIDRequest {
	return auth.SKEYIDRequest{
		Peer: auth.PeerContext{Remotes: r.Remotes, LocalAddr: r.Path.Local, RemoteAddr: r.Path.Remote,
			Initiator: r.Initiator, Aggressive: r.Aggressive, LocalID: authID(r.LocalID), PeerID: authID(r.PeerID),
			ExpectedIDs: idPatterns(r.Expected), ExchangeID: r.ExchangeID},
		PRF: auth.PRF(r.PRF), Ni: r.Ni, Nr: r.Nr,
	}
}

func authID(id *ike.Identity) *auth.ID {
	if id == nil {
		return nil
	}
	return &auth.ID{Type: id.Type, Raw: id.Data}
}

func idPatterns(ids []policy.Identity) []auth.IDPattern {
	var ps []auth.IDPattern
	for _, id := range ids {
		ps = append(ps, auth.IDPattern{Type: id.Type, Raw: id.Data, Text: id.Text, Wildcard: id.Data == nil})
	}
	return ps
}

func skeyidCandidates(r auth.SKEYIDResult) ([]ike.SKEYIDCandidate, error) {
	if r.Err != nil && r.Err.Reason != errs.NotFound { // no key is an answer
		return nil, callError(r.Err)
	}
	cs := make([]ike.SKEYIDCandidate, len(r.Candidates))
	for i, c := range r.Candidates {
		cs[i] = ike.SKEYIDCandidate{SKEYID: c.SKEYID, CredentialID: c.CredentialID}
	}
	return cs, nil
}

// callError tells the machine which failures may pass.
func callError(err error) error {
	if err == nil {
		return nil
	}
	if passes(err) {
		return &ike.Unavailable{Err: err}
	}
	return err
}

// passes reports whether what failed may succeed later.
func passes(err error) bool {
	switch errs.From(err).Reason {
	case errs.Unavailable, errs.Busy, errs.Timeout:
		return true
	}
	return false
}

func spiRequest(r ike.SPIRequest, caps kernel.Capabilities) kernel.SPIRequest {
	q := kernel.SPIRequest{Src: r.Src, Dst: r.Dst, Proto: r.Proto, Min: caps.SPIMin, Max: caps.SPIMax, ReqID: r.ReqID, Seq: r.Seq}
	if q.Max == 0 {
		q.Min, q.Max = 256, 1<<32-1 // RFC 4303 section 2.1: 1 to 255 are reserved
	}
	if r.Proto == protoIPComp {
		q.Min, q.Max = 256, 61439 // RFC 3173 section 3.3: the others are well-known or private
	}
	return q
}

const protoIPComp = 108

// install makes the operation that installs an SA. The machine wipes its keys when
// the exchange ends, which may be before the kernel has answered, so the
// operation has its own copies.
func install(k ike.OpKind, s ike.KernelSA) kernel.Op {
	sa := &kernel.SA{
		Key:   keyOf(s).kernel(),
		ReqID: s.ReqID, Seq: s.Seq, Mode: uint8(s.Mode), Dir: kernel.Direction(s.Dir),
		Life: kernel.Lifetime{SoftTime: s.Soft, HardTime: s.Hard, SoftBytes: s.SoftKB << 10, HardBytes: s.HardKB << 10},
		Comp: s.Comp, ESN: s.ESN,
	} // no ReplayWindow: the plugin's own setting applies
	sa.Key.IfID = s.IfID
	if e := s.Encap; e != nil {
		sa.Encap = &kernel.Encap{SrcPort: e.SrcPort, DstPort: e.DstPort, OrigDst: e.OrigDst}
	}
	if s.Encr != 0 {
		sa.Encr = &kernel.AlgKey{ID: s.Encr, Key: clone(s.EncrKey)}
	}
	if s.Auth != 0 {
		sa.Auth = &kernel.AlgKey{ID: s.Auth, Key: clone(s.AuthKey), Trunc: s.ICV} // see fit
	}
	if k == ike.InstallInbound {
		return kernel.Op{Kind: kernel.UpdateSA, SA: sa}
	}
	return kernel.Op{Kind: kernel.AddSA, SA: sa}
}

func clone(b secret.Bytes) secret.Bytes { return secret.New(append([]byte(nil), b.Reveal()...)) }

// wipe overwrites the copies install made.
func wipe(ops []kernel.Op) {
	for _, op := range ops {
		if op.SA == nil {
			continue
		}
		if op.SA.Encr != nil {
			op.SA.Encr.Key.Zero()
		}
		if op.SA.Auth != nil {
			op.SA.Auth.Key.Zero()
		}
	}
}

func deleteOp(k ledgerKey) kernel.Op {
	return kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: k.kernel()}}
}

// moves reports whether an operation gives an SA other end points.
func moves(op kernel.Op) bool { return op.Kind == kernel.UpdateSA && op.SA.NewDst.IsValid() }

// outcome is nil if all of a transaction's operations were done. In one that was
// sent again, an SA that exists is one that the first attempt made, and one that is to
// move and is gone has moved; in a deletion, one that does not is what was wanted.
func outcome(ops []kernel.Op, r kernel.TxnResult, again bool) error {
	if len(r.Ops) != len(ops) {
		return fmt.Errorf("%d results for %d operations", len(r.Ops), len(ops))
	}
	var bad []error
	undone := 0
	for i, o := range r.Ops {
		switch {
		case o.Err == nil && o.Done && !o.Undone:
		case o.Err == nil: // another one failed
			undone++
		case ops[i].Kind != kernel.DeleteSA && again && o.Err.Reason == errs.Exists:
		case moves(ops[i]) && again && o.Err.Reason == errs.NotFound:
		case (ops[i].Kind == kernel.DeleteSA || ops[i].Kind == kernel.DeletePolicy) && o.Err.Reason == errs.NotFound:
		default:
			bad = append(bad, o.Err) // which says what it is about
		}
	}
	if bad == nil && undone > 0 {
		return fmt.Errorf("%d of %d operations were not done, without a reason", undone, len(ops))
	}
	return errors.Join(bad...)
}

func saKey(k kernel.Key) ike.SAKey { return ike.SAKey{Dst: k.Dst, Proto: k.Proto, SPI: k.SPI} }

func spdKey(k kernel.PolicyKey) spd.Key {
	return spd.Key{Dir: spd.Direction(k.Dir), Src: k.Sel.Src, Dst: k.Sel.Dst, SrcPort: k.Sel.SrcPort, DstPort: k.Sel.DstPort,
		Proto: k.Sel.Proto, Mark: spdMark(k.Mark), IfID: k.IfID}
}

func spdMark(m *kernel.Mark) spd.Mark {
	if m == nil {
		return spd.Mark{}
	}
	return spd.Mark(*m)
}

func kernelMark(m spd.Mark) *kernel.Mark {
	if m == (spd.Mark{}) {
		return nil
	}
	k := kernel.Mark(m)
	return &k
}

func spdPolicy(p *kernel.Policy) spd.Policy {
	return spd.Policy{Key: spdKey(p.Key), Index: p.Key.ID, Priority: p.Priority, Action: spd.Action(p.Action), Templates: spdTemplates(p.Templates)}
}

func spdTemplates(ts []kernel.Template) []spd.Template {
	all := make([]spd.Template, len(ts))
	for i, t := range ts {
		all[i] = spd.Template{Proto: t.Proto, Mode: spd.Mode(t.Mode), Level: spd.Level(t.Level), ReqID: t.ReqID, Src: t.Src, Dst: t.Dst}
	}
	return all
}

// packetSelector is the packet of an acquire, which leaves this host.
func packetSelector(s *kernel.Selector) policy.Selector {
	return policy.Selector{Local: s.Src, Remote: s.Dst, LocalPort: s.SrcPort, RemotePort: s.DstPort, Proto: s.Proto}
}

func unspecified(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }

package ike

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// install asks for SAs of the pair.
func (x *exchange) install(f *future[any], kinds ...OpKind) error {
	_, err := f.await(x, Apply{x.qm.pair.ops(kinds...)})
	if f.done && mayBeDone(err) && slices.Contains(kinds, InstallOutbound) {
		x.qm.out = true
	}
	return x.kernelRefused("install SAs", err)
}

// checkPFS wants a KE payload exactly where a group was agreed on.
func (q *quick) checkPFS() error {
	group := oakley.Group(q.choice.Group)
	switch {
	case group == 0 && q.peerKE == nil:
		return nil
	case group == 0:
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.UnexpectedPayload, errors.New("a KE payload without a PFS group")}
	case len(q.peerKE) != group.PublicLen():
		return &NotifyError{isakmp.NotifyInvalidKeyInformation, notice.BadKE,
			fmt.Errorf("KE has %d octets, PFS group %v has %d", len(q.peerKE), group, group.PublicLen())}
	}
	return nil
}

// quickSecret is g^xy of the quick mode's own exchange, nil without PFS.
func (x *exchange) quickSecret() ([]byte, error) {
	q := x.qm
	if q.choice.Group == 0 {
		return nil, nil
	}
	kp, err := q.keyPair.await(x, DHGenerate{oakley.Group(q.choice.Group)})
	if err != nil {
		return nil, err
	}
	gxy, err := q.shared.await(x, DHShared{kp, q.peerKE})
	if errors.Is(err, oakley.ErrPublicValue) {
		return nil, &NotifyError{isakmp.NotifyInvalidKeyInformation, notice.BadKE, err}
	}
	return gxy.Reveal(), err
}

// installInitiator runs between messages 2 and 3: the responder already sends
// when it has message 3. A first pair goes in whole; when a pair is renewed, the
// outbound SA follows a second later, when the responder surely has its inbound one;
// and so it does where the commit bit says that the responder is not ready yet.
func installInitiator(x *exchange) error {
	q := x.qm
	if err := q.checkPFS(); err != nil {
		return err
	}
	gxy, err := x.quickSecret()
	if err != nil {
		return err
	}
	if err := x.makePair(gxy); err != nil {
		return err
	}
	kinds := []OpKind{InstallInbound, InstallOutbound}
	if q.commit {
		x.script = append(x.script[:x.pc+1:x.pc+1], connected)
	}
	if q.commit || q.pair.renews {
		kinds = kinds[:1]
	}
	return x.install(&q.apply, kinds...)
}

// quickDone runs when message 3 is sent, or taken: the pair is in use.
func quickDone(x *exchange) error {
	q, p := x.qm, x.p
	if x.role == responder {
		if err := x.install(&q.applyTo, InstallOutbound); err != nil {
			return err
		}
	}
	q.pair.outbound = q.out
	switch {
	case q.pair.outbound:
	case q.commit, p.covers(q.pair):
		q.pair.outAt = p.now.Add(time.Second)
	default: // what it renews has ended meanwhile
		q.pair.outAt = p.now
	}
	q.up = true
	p.addPair(q.pair)
	p.wantServed(q.want, "")
	return nil
}

// quickConnected: the responder has its SAs, it may be sent to at once. Should it never
// say so, or somebody else have set the bit, the SAs are in use all the same.
func quickConnected(x *exchange) error {
	if q := x.qm.pair; !q.outAt.IsZero() {
		q.outAt = x.p.now
	}
	return nil
}

func (x *exchange) kernelRefused(what string, err error) error {
	if err == nil || errors.Is(err, errWait) || errors.As(err, new(*Unavailable)) {
		return err
	}
	if x.role == responder && !x.theirTurn() && !x.sent { // the peer can be told instead of answered
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.KernelRefused, fmt.Errorf("%s: %w", what, err)}
	}
	return failf(notice.KernelRefused, "%s: %w", what, err)
}

// makePair computes the SAs, once.
func (x *exchange) makePair(gxy []byte) error {
	q, p := x.qm, x.p
	if q.pair != nil {
		return nil
	}
	n := &pair{policy: q.policy, local: q.local, remote: q.remote, initiator: x.role == initiator, since: p.now, credential: x.sa.credential}
	n.renews = p.covers(n)
	n.suites, n.hard = q.choice.Suites, q.choice.Life
	n.soft = softLife(n.hard, n.initiator, p.randomByte())
	for i, s := range q.choice.Suites {
		in := KernelSA{Dir: spd.In, Src: q.remote, Dst: q.local, SPI: q.spis.val[i], ReqID: q.inTemplate(i).ReqID}
		out := KernelSA{Dir: spd.Out, Src: q.local, Dst: q.remote, SPI: s.PeerSPI, ReqID: q.templates()[i].ReqID}
		// A marked packet asks for a marked SA; what comes in is marked by nobody before.
		in.IfID, out.IfID, out.Mark = q.policy.Out.Key.IfID, q.policy.Out.Key.IfID, q.policy.Out.Key.Mark
		for _, sa := range []*KernelSA{&in, &out} {
			sa.Proto, sa.Mode, sa.Encr, sa.Auth, sa.Comp, sa.ESN = s.Proto, s.Mode, s.Encr, s.Auth, s.Comp, s.ESN
			sa.ICV = doi.ICVFor(x.sa.Remote, s.Auth)
			sa.Soft, sa.Hard, sa.SoftKB, sa.HardKB = n.soft.Time, n.hard.Time, n.soft.KB, n.hard.KB
			if err := x.key(sa, s, gxy); err != nil {
				return failf(notice.Internal, "%w", err)
			}
		}
		if q.want != nil {
			in.Seq = q.want.seq()
		}
		n.in, n.out = append(n.in, in), append(n.out, out)
	}
	if slices.ContainsFunc(q.deleted, n.has) {
		n.zero()
		return failf(notice.PeerDeleted, "the peer has deleted the SAs already")
	}
	x.wrap(n)
	q.pair = n
	return nil
}

// key computes KEYMAT for one direction: the SPI is the receiver's, the
// encryption key comes first (RFC 2409 section 5.5).
func (x *exchange) key(sa *KernelSA, s doi.Suite, gxy []byte) error {
	q := x.qm
	var encr int
	var err error
	switch s.Proto {
	case 108: // IPComp has no keys
		return nil
	case 50:
		if encr, err = doi.EncrKeyOctets(s.Encr, s.KeyBits); err != nil {
			return err
		}
	}
	auth, err := doi.AuthKeyOctets(s.Auth)
	if err != nil {
		return err
	}
	spi := binary.BigEndian.AppendUint32(nil, sa.SPI)
	k := oakley.KEYMAT(x.sa.hash, x.sa.keys.D, gxy, uint8(doiProto(s.Proto)), spi, q.ni, q.nr, encr+auth).Reveal()
	sa.EncrKey, sa.AuthKey = secret.New(k[:encr:encr]), secret.New(k[encr:])
	return nil
}

// softLife is when a pair is renewed: the initiator of the old one at about 80 %,
// its responder, should that fail, at about 95 %. Jitter keeps a restarted
// gateway's tunnels from renewing all in one second.
func softLife(hard doi.Life, initiator bool, jitter byte) (soft doi.Life) {
	percent := uint64(95)
	if initiator {
		percent = 80
	}
	soft.Time = hard.Time/100*time.Duration(percent) - hard.Time/(20*255)*time.Duration(jitter) // in this order 136 years do not overflow
	if hard.KB != 0 {
		soft.KB = max(1, hard.KB*percent/100-hard.KB*uint64(jitter)/(20*255))
	}
	return soft
}

// undoQuick removes what a failed quick mode left in the kernel. What is still in
// flight is undone when its Reply comes.
func (x *exchange) undoQuick(reason notice.Reason) {
	q := x.qm
	ops := q.inbound.giveBack(q.spis.val)
	if q.reserved() && !q.apply.pending() && !q.applyTo.pending() { // else the Reply does it
		ops = append(ops, x.p.ungenerate(q.policy)...)
	}
	if q.pair != nil {
		if q.out {
			ops = append(ops, deletes(q.pair.out)...)
		}
		if !q.apply.pending() && !q.applyTo.pending() { // else the Reply does it
			q.pair.zero()
		}
	}
	x.p.deleteSAs(ops)
	// Behind message 2 the peer may believe in the SAs, unless it has deleted them itself.
	if sa := x.p.anyISAKMP(); x.pc == 2 && q.pair != nil && sa != nil && (reason != notice.PeerDeleted || x.sa.ending) {
		x.p.inform(sa, notes{deletes: q.pair.deletePayloads()})
	}
}

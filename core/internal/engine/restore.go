package engine

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// restored are the saved SAs of one peer.
type restored struct {
	destination
	owner *actor
	ops   []kernel.Op
	keys  []ledgerKey
}

// openBackup opens the file of saved SAs. With Options.Restore the machines of the
// peers come to own what is in it, before the kernel is compared with what we own: SAs
// that are still there stay, with their replay windows.
func (e *Engine) openBackup() []*restored {
	path := e.config.Load().Paths.BackupSA
	e.record(e.backup.open(path, e.opts.Restore))
	if path == "" || !e.opts.Restore {
		return nil
	}
	saved, bad := e.backup.saved(time.Now())
	for _, err := range bad {
		e.notify(notice.Notice{Event: notice.Finding, Detail: err.Error() + ": this SA is not restored"})
	}
	return e.claim(saved)
}

// claim gives the SAs to the machines of their peers.
func (e *Engine) claim(saved []savedSA) (all []*restored) {
	type ends struct{ local, remote netip.Addr }
	byEnds := map[ends]*restored{}
	for _, s := range saved {
		k := s.sa.Key
		at := ends{k.Dst, k.Src}
		if _, local := e.net.portOf(k.Dst, kernel.SocketIKE); !local { // the original saves outbound SAs too
			s.zero()
			continue
		}
		r := byEnds[at]
		if r == nil {
			d, err := e.destination(k.Dst, k.Src, "")
			if err != nil {
				s.zero()
				e.notify(notice.Notice{Event: notice.Finding, Peer: netip.AddrPortFrom(k.Src, 0), Detail: "its SAs are not restored: " + err.Error()})
				continue
			}
			r = &restored{destination: d}
			byEnds[at] = r
			all = append(all, r)
		}
		r.ops = append(r.ops, kernel.Op{Kind: kernel.AddSA, SA: s.sa})
		r.keys = append(r.keys, ledgerKey{saKey(k), whereIs(k)})
	}
	for _, r := range all {
		ev := ike.Restore{}
		for _, op := range r.ops {
			k := op.SA.Key
			ev.SAs = append(ev.SAs, ike.KernelSA{Dir: spd.In, Src: k.Src, Dst: k.Dst, Proto: k.Proto, SPI: k.SPI})
		}
		r.owner = e.tell(r.destination, ev)
		e.registry.own(r.owner, r.keys, installing)
		e.record(e.ledger.add(r.keys))
	}
	return all
}

// reinstall puts the SAs into the kernel and has new ones made in their stead. The
// peer may still send with the old ones; we have nothing to send with.
func (e *Engine) reinstall(all []*restored) {
	n := 0
	for _, r := range all {
		n += len(e.reinstallSAs(r))
		var want []ike.Wanted
		for _, p := range e.pairs(r.src, r.dst) {
			want = append(want, ike.Wanted{Pair: p, Src: r.src, Dst: r.dst})
		}
		e.tell(r.destination, ike.Restore{Wanted: want})
	}
	if all != nil {
		e.notify(notice.Notice{Event: notice.KernelResync, Detail: fmt.Sprintf("%d SAs were restored, inbound only; new ones are being negotiated", n)})
	}
}

// reinstallSAs installs the SAs of one peer and returns those that are there.
func (e *Engine) reinstallSAs(r *restored) (there []ledgerKey) {
	defer wipe(r.ops)
	for _, op := range r.ops {
		if k := op.SA.Auth; k != nil { // the file does not say
			k.Trunc = doi.ICVFor(r.remote, k.ID)
		}
	}
	var res kernel.TxnResult
	err := e.fit(r.ops, r.keys)
	if err == nil {
		res, _, err = e.transact(r.ops, kernel.Continue, applyPatience)
	}
	var lost []ike.SAKey
	for i, k := range r.keys {
		why := err
		if err == nil && i < len(res.Ops) && !res.Ops[i].Done && res.Ops[i].Err != nil && res.Ops[i].Err.Reason != errs.Exists {
			why = res.Ops[i].Err
		}
		if why == nil {
			there = append(there, k)
			continue
		}
		e.notify(notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Proto: k.Proto, SPI: k.SPI, Detail: "restore an SA: " + why.Error()})
		e.registry.disown(k.SAKey)
		lost = append(lost, k.SAKey)
	}
	e.registry.settle(there)
	if lost != nil {
		r.owner.post(mail{ev: ike.KernelLost{SAs: lost}})
	}
	return there
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// askers is how many machines are asked at a time.
const askers = 64

// Statuses asks every machine, each from its own mailbox; no lock is held while
// one runs, so that the answers are of slightly different moments. They are
// sorted by the peer's address.
func (e *Engine) Statuses(ctx context.Context) ([]ike.Status, error) {
	all, err := e.ask(ctx, e.registry.snapshot())
	slices.SortFunc(all, func(a, b asked) int { return a.status.Path.Remote.Compare(b.status.Path.Remote) })
	ss := make([]ike.Status, len(all))
	for i, a := range all {
		ss[i] = a.status
	}
	return ss, err
}

type asked struct {
	actor  *actor
	status ike.Status
}

// ask collects the statuses of actors; those that end meanwhile are left out.
func (e *Engine) ask(ctx context.Context, actors []*actor) ([]asked, error) {
	var mu sync.Mutex
	all := make([]asked, 0, len(actors))
	free := make(chan struct{}, askers)
	for i := range askers {
		if i < len(actors) {
			free <- struct{}{}
		}
	}
	for _, a := range actors {
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		posted := a.post(mail{ask: func(m machine) {
			if m != nil {
				s := m.Status(time.Now())
				mu.Lock()
				all = append(all, asked{a, s})
				mu.Unlock()
			}
			free <- struct{}{}
		}})
		if posted != delivered {
			free <- struct{}{}
		}
	}
	for range min(askers, len(actors)) { // all are back
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return all, nil
}

// EstablishRequest is an operator's wish for SAs.
type EstablishRequest struct {
	Local, Remote netip.Addr // Local may be left out
	Section       string     // name of the remote section, "" = by address
	ISAKMPOnly    bool
	// Selector of one policy, whose end points then count. Without it every outbound
	// policy whose SAs run to Remote is meant.
	Selector *policy.Selector
	Proto    uint8 // what that policy must ask for, 50 ESP or 51 AH; 0 = whatever it does
}

// Establish returns when what is asked for is up, or has failed. The end of ctx ends
// the waiting only.
func (e *Engine) Establish(ctx context.Context, r EstablishRequest) error {
	type wish struct {
		destination
		ike.Establish
	}
	var wishes []wish
	if r.ISAKMPOnly {
		d, err := e.isakmpDestination(ctx, r)
		if err != nil {
			return err
		}
		wishes = append(wishes, wish{d, ike.Establish{}})
	} else {
		pairs, err := e.pairsFor(r)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			src, dst, ok := p.Out.EndPoints()
			if !ok {
				src, dst = p.Out.Key.Src.Addr(), p.Out.Key.Dst.Addr()
			}
			if unspecified(src) {
				src = r.Local
			}
			d, err := e.destination(src, dst, r.Section)
			if err != nil {
				return err
			}
			wishes = append(wishes, wish{d, ike.Establish{HasPair: true, Pair: p, Src: d.src, Dst: d.dst}})
		}
	}
	errs := make([]error, len(wishes))
	var wg sync.WaitGroup
	for i, w := range wishes {
		wg.Go(func() {
			errs[i] = e.command(ctx, func(id uint64) {
				w.Command = id
				e.tell(w.destination, w.Establish)
			})
		})
	}
	wg.Wait()
	return together(errs)
}

// isakmpDestination finds the way to a peer no policy leads to.
func (e *Engine) isakmpDestination(ctx context.Context, r EstablishRequest) (destination, error) {
	if remote, _, err := e.remoteFor(r.Local, r.Remote, r.Section); err == nil && unspecified(r.Local) && remote.LocalAddr.IsValid() {
		r.Local = remote.LocalAddr
	}
	if !r.Local.IsValid() && r.Remote.IsValid() {
		ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
		defer cancel()
		rs, err := e.kernel.LookupRoutes(ctx, []kernel.RouteQuery{{Dst: r.Remote}})
		switch {
		case err != nil:
			return destination{}, fmt.Errorf("find the address to reach %v from: %w", r.Remote, err)
		case len(rs) != 1:
			return destination{}, fmt.Errorf("find the address to reach %v from: %d answers", r.Remote, len(rs))
		case rs[0].Err != nil:
			return destination{}, fmt.Errorf("find the address to reach %v from: %w", r.Remote, rs[0].Err)
		}
		r.Local = rs[0].Src
	}
	return e.destination(r.Local, r.Remote, r.Section)
}

func (e *Engine) pairsFor(r EstablishRequest) ([]spd.Pair, error) {
	e.spdMu.RLock()
	defer e.spdMu.RUnlock()
	if r.Selector != nil {
		out, ok := e.spd.Packet(*r.Selector)
		switch asks := func(t spd.Template) bool { return t.Proto == r.Proto }; {
		case !ok:
			_, closest, _ := e.spd.Respond(*r.Selector, netip.Addr{}, netip.Addr{})
			return nil, refuse(notice.NoPolicy, "%v", &ike.NoPolicyError{Selector: *r.Selector, Closest: closest})
		case out.Action != spd.IPsec:
			return nil, refuse(notice.NoPolicy, "the policy %v does not ask for IPsec", out.Key)
		case r.Proto != 0 && !slices.ContainsFunc(out.Templates, asks):
			return nil, refuse(notice.NoPolicy, "the policy %v does not ask for %s", out.Key, protoNames[r.Proto])
		}
		return []spd.Pair{e.pairOf(out)}, nil
	}
	var pairs []spd.Pair
	for _, p := range e.spd.Between(r.Local, r.Remote) {
		pairs = append(pairs, e.pairOf(p))
	}
	if len(pairs) == 0 {
		return nil, refuse(notice.NoPolicy, "no outbound IPsec policy leads to %v", r.Remote)
	}
	return pairs, nil
}

var protoNames = map[uint8]string{50: "ESP", 51: "AH"}

// command has post send a command to a machine and waits for its end.
func (e *Engine) command(ctx context.Context, post func(id uint64)) error {
	id, end, forget := e.commands.begin()
	defer forget()
	post(id)
	select {
	case n := <-end:
		if n.Reason != 0 {
			return refuse(n.Reason, "%s", n.Detail)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ctx.Done():
		return errors.New("the daemon is ending")
	}
}

// DeleteRequest says which SAs are to end. Their peers are told.
type DeleteRequest struct {
	Peer   *ike.PeerKey // only this peer's; nil: any
	Remote netip.Addr   // only of peers at this address; invalid: any
	SPI    uint32       // the pair with this SPI, in either direction
	All    bool         // all IPsec SAs
	ISAKMP bool         // the ISAKMP SAs too
}

// Delete returns how many IPsec and ISAKMP SAs (a pair counting once) it has told
// the machines to end.
func (e *Engine) Delete(ctx context.Context, r DeleteRequest) (n int, err error) {
	if r.SPI == 0 && !r.All && !r.ISAKMP {
		return 0, errors.New("delete: neither an SPI nor all SAs")
	}
	actors := e.registry.snapshot()
	if r.SPI != 0 && !r.All {
		actors = e.registry.withSPI(r.SPI)
	}
	all, err := e.ask(ctx, actors)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		if !r.means(a.status) {
			continue
		}
		count := r.count(a.status)
		negotiates := r.All && r.ISAKMP && len(a.status.Exchanges)+a.status.Queued > 0
		if count == 0 && !negotiates {
			continue
		}
		err := e.command(ctx, func(id uint64) {
			if a.actor.post(mail{ev: ike.Delete{Command: id, SPI: r.SPI, All: r.All, ISAKMP: r.ISAKMP, Reason: "operator"}}) != delivered {
				e.commands.done(notice.Notice{Event: notice.CommandDone, Command: id}) // it has ended by itself
			}
		})
		if err != nil {
			return n, err
		}
		n += count
	}
	return n, nil
}

func (r DeleteRequest) means(s ike.Status) bool {
	return (r.Peer == nil || *r.Peer == s.Key) &&
		(!r.Remote.IsValid() || r.Remote == s.Path.Remote.Addr() || r.Remote == s.Path.Remote.Addr().WithZone(""))
}

func (r DeleteRequest) count(s ike.Status) (n int) {
	for _, p := range s.IPsec {
		if r.All || r.SPI != 0 && (p.SPIIn == r.SPI || p.SPIOut == r.SPI) {
			n++
		}
	}
	if r.ISAKMP {
		n += len(s.ISAKMP)
	}
	return n
}

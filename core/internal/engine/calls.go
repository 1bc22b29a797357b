package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// How long a plugin call may take, waiting for its turn included. The plugin host
// has deadlines of its own for the call itself.
const (
	kernelTimeout = 10 * time.Second
	authTimeout   = 20 * time.Second
)

// errSourceLimit: one source begins more exchanges than it may. It will be served later.
var errSourceLimit = errors.New("too many exchanges are begun from this address")

// pskPlugin serves the methods that use a pre-shared key.
const pskPlugin = "psk"

// call has a machine's Call done. It runs in the machine's goroutine: what is read
// of the request later must not be the machine's to change.
func (e *Engine) call(a *actor, c ike.Call) {
	reply := func(v any, err error) bool {
		return a.post(mail{ev: ike.Reply{ID: c.ID, Value: v, Err: err}}) == delivered
	}
	switch req := c.Req.(type) {
	case ike.DHGenerate:
		if a.stranger && !e.dear.allow(time.Now(), a.path.Remote.Addr()) {
			e.counters.add(notice.Notice{Event: notice.Dropped, Reason: notice.RateLimited})
			reply(nil, &ike.Unavailable{Err: errSourceLimit})
			return
		}
		e.compute(a, reply, func() (any, func(), error) {
			k, err := e.keys.generate(req.Group)
			return k, k.Zero, err
		})
	case ike.DHShared:
		e.compute(a, reply, func() (any, func(), error) {
			s, err := req.Key.Shared(req.PeerPublic)
			return s, s.Zero, err
		})
	case ike.DeriveSKEYIDs:
		e.run(func() { e.deriveSKEYIDs(req, reply) })
	case ike.AllocateSPIs:
		e.run(func() { e.allocateSPIs(a, req, reply) })
	case ike.Apply:
		e.apply(a, req, reply)
	case ike.MoveSAs:
		e.moveSAs(a, req, reply)
	case ike.ReadOctets:
		e.run(func() { e.readOctets(req, reply) })
	case ike.AcquireDone:
		e.run(func() { e.acquireDone(req, reply) })
	case ike.MatchPolicy:
		reply(e.matchPolicy(a, req))
	case ike.HasESN:
		reply(e.has(kernel.FeatESN), nil)
	case ike.ReservePolicy:
		reply(e.reservePolicy(a, req))
	default:
		reply(nil, fmt.Errorf("the engine cannot serve a %T", req))
	}
}

// compute runs a group operation. What nobody is there to take is wiped.
func (e *Engine) compute(a *actor, reply func(any, error) bool, op func() (v any, wipe func(), err error)) {
	err := e.cpu.run(a.trusted(), func() {
		v, wipe, err := op()
		if err != nil {
			reply(nil, err)
		} else if !reply(v, nil) {
			wipe()
		}
	})
	if err != nil {
		e.counters.add(notice.Notice{Event: notice.Dropped, Reason: notice.CPUQueueFull})
		reply(nil, &ike.Unavailable{Err: err})
	}
}

func (e *Engine) deriveSKEYIDs(req ike.DeriveSKEYIDs, reply func(any, error) bool) {
	plugin := e.auth[pskPlugin]
	if plugin == nil {
		reply(nil, errs.Errorf(errs.Unsupported, "no auth/%s plugin is configured", pskPlugin))
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, authTimeout)
	defer cancel()
	rs, err := plugin.DeriveSKEYIDs(ctx, []auth.SKEYIDRequest{skeyidRequest(req)})
	if err == nil && len(rs) != 1 {
		err = fmt.Errorf("auth/%s gave %d results for one request", pskPlugin, len(rs))
	}
	if err != nil {
		reply(nil, callError(err))
		return
	}
	cs, err := skeyidCandidates(rs[0])
	if !reply(e.turns.order(req, cs), err) {
		for _, c := range cs {
			c.SKEYID.Zero()
		}
	}
}

func (e *Engine) allocateSPIs(a *actor, req ike.AllocateSPIs, reply func(any, error) bool) {
	caps := *e.caps.Load()
	qs := make([]kernel.SPIRequest, len(req.SPIs))
	for i, r := range req.SPIs {
		qs[i] = spiRequest(r, caps)
	}
	ctx, cancel := context.WithTimeout(e.ctx, kernelTimeout)
	defer cancel()
	rs, err := e.kernel.AllocateSPIs(ctx, qs)
	if err == nil && len(rs) != len(qs) {
		err = fmt.Errorf("the kernel plugin gave %d SPIs for %d requests", len(rs), len(qs))
	}
	if err != nil {
		reply(nil, callError(err))
		return
	}
	spis := make([]uint32, 0, len(rs))
	var keys []ledgerKey
	for i, r := range rs {
		if r.Err != nil {
			err = errors.Join(err, r.Err)
			continue
		}
		spis = append(spis, r.SPI)
		keys = append(keys, ledgerKey{ike.SAKey{Dst: qs[i].Dst, Proto: qs[i].Proto, SPI: r.SPI}, where{src: qs[i].Src}})
	}
	if err == nil {
		e.registry.own(a, keys, reserved)
		if reply(spis, nil) {
			return
		}
	} else {
		reply(nil, callError(err))
	}
	e.removeSAs(keys, nil) // some SPIs are of no use without the others, or to nobody
}

func (e *Engine) readOctets(req ike.ReadOctets, reply func(any, error) bool) {
	var keys []kernel.Key
	for _, k := range req.SAs {
		known, _ := e.registry.owner(k)
		keys = append(keys, ledgerKey{k, known.where}.kernel())
	}
	ctx, cancel := context.WithTimeout(e.ctx, kernelTimeout)
	defer cancel()
	stats, err := e.kernel.Query(ctx, keys)
	if err == nil && len(stats) != len(keys) {
		err = fmt.Errorf("the kernel plugin gave %d statistics for %d SAs", len(stats), len(keys))
	}
	if err != nil {
		reply(nil, callError(err))
		return
	}
	octets := make([]uint64, len(stats))
	for i, s := range stats {
		octets[i] = s.Bytes
	}
	reply(octets, nil)
}

func (e *Engine) acquireDone(req ike.AcquireDone, reply func(any, error) bool) {
	e.acquires.done(req.Seq)
	e.answerAcquire(req.Seq, req.Failed)
	reply(nil, nil)
}

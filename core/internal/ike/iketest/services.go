package iketest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

var errDown = &ike.Unavailable{Err: errors.New("the plugin is restarting")}

// serve carries a Call out and plans its Reply. Half of the service time passes
// before it is carried out, so that a plugin may die on either side of it.
func (h *Host) serve(m *Machine, c ike.Call) {
	w, k := h.w, h.Kernel
	kernel := false
	switch req := c.Req.(type) {
	case ike.MatchPolicy: // from the engine's own copy
		v, err := h.match(m, req)
		h.reply(m, c, 0, v, err)
		return
	case ike.HasESN:
		h.reply(m, c, 0, !k.NoESN, nil)
		return
	case ike.ReservePolicy:
		v, err := k.reserve(m, req.Selector)
		h.reply(m, c, 0, v, err)
		return
	case ike.Apply:
		k.learn(m, req.Ops)
		kernel = true
	case ike.MoveSAs:
		k.learnMoves(m, req.Moves)
		kernel = true
	case ike.AllocateSPIs, ike.AcquireDone, ike.ReadOctets:
		kernel = true
	}
	half, epoch := w.between(w.MinService, w.MaxService)/2, k.epoch
	fails := w.chance(w.Flaky)
	skipped := fails && (!kernel || w.chance(0.5))
	w.After(half, func() {
		if m.gone { // with its process
			return
		}
		if skipped || kernel && (k.Down || k.epoch != epoch) {
			h.reply(m, c, half, nil, errDown)
			return
		}
		v, err := h.do(m, c.Req)
		w.After(half, func() {
			if fails || kernel && k.epoch != epoch {
				v, err = nil, errDown // it is done, and nobody knows
			}
			h.reply(m, c, 0, v, err)
		})
	})
}

// reply steps a Reply in.
func (h *Host) reply(m *Machine, c ike.Call, after time.Duration, v any, err error) {
	h.w.After(after, func() {
		if m.gone {
			if gxy, ok := v.(secret.Bytes); ok {
				gxy.Zero()
			}
			return
		}
		if spis, ok := v.([]uint32); ok {
			for i, r := range c.Req.(ike.AllocateSPIs).SPIs {
				h.Kernel.ours[ike.SAKey{Dst: r.Dst, Proto: r.Proto, SPI: spis[i]}] = owned{m, reserved}
			}
		}
		switch req := c.Req.(type) {
		case ike.Apply:
			h.Kernel.settle(m, req.Ops, err == nil)
		case ike.MoveSAs:
			if err != errDown {
				h.Kernel.settleMoves(req.Moves, err == nil)
			}
		}
		if err != nil {
			h.w.Log.line(h.w, h.Name, "reply %s: %v", requestName(c.Req), err)
		}
		m.Calls--
		m.Post(ike.Reply{ID: c.ID, Value: v, Err: err})
	})
}

func (h *Host) do(m *Machine, req ike.Request) (any, error) {
	w := h.w
	switch req := req.(type) {
	case ike.DHGenerate:
		return h.generate(req.Group)
	case ike.DHShared:
		gxy, err := h.shared(req)
		if err != nil {
			return nil, err
		}
		w.secrets.keep("g^xy", gxy)
		w.Log.shared(req.Key.Public, gxy.Reveal())
		return gxy, nil
	case ike.DeriveSKEYIDs:
		if h.AuthDown {
			return nil, errDown
		}
		var all []ike.SKEYIDCandidate
		psks, ok := h.PSK[req.Path.Remote.Addr()]
		if !ok {
			psks = h.PSK[netip.Addr{}]
		}
		for i, psk := range psks {
			k := oakley.SKEYIDFromPSK(req.PRF, []byte(psk), req.Ni, req.Nr)
			w.secrets.keep("SKEYID", k)
			w.Log.skeyid(h, req, k.Reveal())
			all = append(all, ike.SKEYIDCandidate{SKEYID: k, CredentialID: fmt.Sprintf("psk:%d", i+1)})
		}
		return all, nil
	case ike.AllocateSPIs:
		return h.Kernel.allocate(m, req), nil
	case ike.Apply:
		for _, op := range req.Ops {
			w.secrets.keep("KEYMAT", op.SA.EncrKey)
			w.secrets.keep("KEYMAT", op.SA.AuthKey)
		}
		return nil, h.Kernel.apply(m, req.Ops)
	case ike.ReadOctets:
		return h.Kernel.octets(req.SAs), nil
	case ike.MoveSAs:
		return nil, h.Kernel.move(req.Moves)
	case ike.AcquireDone:
		how := "done"
		if req.Failed {
			how = "failed"
		}
		h.Kernel.Acquires[req.Seq] = how
		return nil, nil
	}
	return nil, fmt.Errorf("iketest: no service for %T", req)
}

// generate makes a key pair from the host's chances.
func (h *Host) generate(g oakley.Group) (any, error) {
	if h.w.FakeDH {
		kp := oakley.KeyPair{Group: g, Public: make([]byte, g.PublicLen())}
		h.rand(kp.Public)
		return kp, nil
	}
	for {
		b := make([]byte, g.RandomLen())
		h.rand(b)
		kp, err := oakley.GenerateKey(g, b)
		if errors.Is(err, oakley.ErrDrawAgain) {
			continue
		}
		if err != nil {
			return nil, err
		}
		h.w.secrets.keepPair(kp)
		return kp, nil
	}
}

func (h *Host) shared(req ike.DHShared) (secret.Bytes, error) {
	if !h.w.FakeDH {
		return req.Key.Shared(req.PeerPublic)
	}
	lo, hi := req.Key.Public, req.PeerPublic
	if bytes.Compare(lo, hi) > 0 {
		lo, hi = hi, lo
	}
	sum := sha256.Sum256(slices.Concat(lo, hi))
	return secret.New(sum[:]), nil
}

func (h *Host) match(m *Machine, req ike.MatchPolicy) (any, error) {
	p, closest, ok := h.SPD.Respond(req.Selector, req.Path.Local.Addr(), req.Path.Remote.Addr())
	if !ok {
		return nil, &ike.NoPolicyError{Selector: req.Selector, Closest: closest, Taken: h.SPD.Knows(req.Selector)}
	}
	if g := h.Kernel.Generated[p.Selector()]; g != nil && g.owner == m {
		return nil, &ike.NoPolicyError{Selector: req.Selector}
	} else if g != nil {
		return nil, &ike.NoPolicyError{Selector: req.Selector, Closest: "it is generated for another peer", Taken: true}
	}
	return p, nil
}

// ledger remembers secrets, to see whether they are wiped in the end.
type ledger struct {
	on    bool
	kept  []kept
	known map[*byte]bool
}

type kept struct {
	name string
	b    []byte
	pair oakley.KeyPair
}

func (l *ledger) keep(name string, s secret.Bytes) {
	b := s.Reveal()
	if !l.on || len(b) == 0 || l.known[&b[0]] {
		return
	}
	l.known[&b[0]] = true
	l.kept = append(l.kept, kept{name: name, b: b})
}

// forget follows only what is seen from now on.
func (l *ledger) forget() {
	l.kept = nil
	clear(l.known)
}

func (l *ledger) keepPair(kp oakley.KeyPair) {
	if l.on {
		l.kept = append(l.kept, kept{name: "private key", pair: kp})
	}
}

// KeepSecrets makes the world remember every secret from now on.
func (w *World) KeepSecrets() { w.secrets = ledger{on: true, known: map[*byte]bool{}} }

// Keep adds a secret that no service has seen.
func (w *World) Keep(name string, s secret.Bytes) { w.secrets.keep(name, s) }

// CheckWiped breaks the world if a secret is still in memory; with names only one
// of those.
func (w *World) CheckWiped(names ...string) {
	for _, s := range w.secrets.kept {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		if s.pair.Public != nil {
			if _, err := s.pair.Shared(s.pair.Public); err == nil {
				w.Break("a private key of %v has not been wiped", s.pair.Group)
			}
		} else if !zero(s.b) {
			w.Break("a secret has not been wiped: %s of %d octets", s.name, len(s.b))
		}
	}
}

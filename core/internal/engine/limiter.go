package engine

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what strangers can make the engine do. The zero value of a field
// means its default.
type Limits struct {
	SourceRate  float64 // strangers' Diffie-Hellman keys per second and source, default 10
	SourceBurst int     // of them at once, default 40
	HalfOpen    int     // strangers negotiating at a time, default 2048
	Reserve     int     // of these, kept for sections with a literal address, default a quarter
	CPUQueue    int     // Diffie-Hellman operations of strangers waiting, default 512
}

func (l Limits) withDefaults() Limits {
	if l.SourceRate == 0 {
		l.SourceRate = 10
	}
	if l.SourceBurst == 0 {
		l.SourceBurst = 40
	}
	if l.HalfOpen == 0 {
		l.HalfOpen = 2048
	}
	if l.Reserve == 0 {
		l.Reserve = l.HalfOpen / 4
	}
	if l.CPUQueue == 0 {
		l.CPUQueue = 512
	}
	return l
}

// A first message costs little and its address may be forged: many more of them are
// let in than may go on to what is dear, or whoever forges a peer's address would
// take all of the peer's share. The newest perSource of them are kept, so that each
// has half a second to return our cookie.

func (l Limits) arrivals() Limits {
	return Limits{SourceRate: 50 * l.SourceRate, SourceBurst: 6 * l.SourceBurst}
}

func (l Limits) perSource() int { return max(1, l.HalfOpen/8) }

// maxSources bounds the sources remembered. A flood that forges more of them
// than this meets the limit on half-open exchanges.
const maxSources = 4096

// sourceOf is what counts as one source: an IPv4 address or an IPv6 /64.
func sourceOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // of no address it is none
	return p
}

// sourceLimiter is a token bucket for each source.
type sourceLimiter struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	sources map[netip.Prefix]*list.Element
	recent  list.List // of *source, the one longest unseen first
}

type source struct {
	prefix netip.Prefix
	bucket *rate.Limiter
}

func newSourceLimiter(l Limits) *sourceLimiter {
	return &sourceLimiter{rate: rate.Limit(l.SourceRate), burst: l.SourceBurst, sources: map[netip.Prefix]*list.Element{}}
}

// allow takes one token of the source.
func (s *sourceLimiter) allow(now time.Time, from netip.Addr) bool {
	p := sourceOf(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.sources[p]
	if e == nil {
		if len(s.sources) >= maxSources {
			oldest := s.recent.Front()
			delete(s.sources, oldest.Value.(*source).prefix)
			s.recent.Remove(oldest)
		}
		e = s.recent.PushBack(&source{p, rate.NewLimiter(s.rate, s.burst)})
		s.sources[p] = e
	}
	s.recent.MoveToBack(e)
	return e.Value.(*source).bucket.AllowN(now, 1)
}

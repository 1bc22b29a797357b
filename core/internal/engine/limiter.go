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
	SourceRate  float64 // new exchanges per second and source, default 10
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

// maxSources bounds the sources remembered. A flood that forges more of them
// than this meets the limit on half-open exchanges.
const maxSources = 4096

// sourceLimiter is a token bucket for each source: an IPv4 address or an IPv6 /64.
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
	from = from.Unmap().WithZone("")
	bits := 32
	if from.Is6() {
		bits = 64
	}
	p, err := from.Prefix(bits)
	if err != nil {
		return false
	}
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

package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// watched fills a watch with n SAs, made one every so often until now.
func watched(n int, every time.Duration, now time.Time) *suspects {
	l := &suspects{more: make(chan struct{}, 1)}
	for i := range n {
		s := suspect{born: now.Add(-every * time.Duration(n-1-i))}
		for !s.due().After(now) {
			s.looked++
		}
		l.add([]suspect{s})
	}
	return l
}

// TestASuspectIsLookedAtWhenItIsDue: however many there are, each is taken in the first
// second in which it is due, as often as there are looks.
func TestASuspectIsLookedAtWhenItIsDue(t *testing.T) {
	seed := rand.Uint64()
	defer func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	}()
	r := rand.New(rand.NewPCG(seed, 0))
	l := &suspects{more: make(chan struct{}, 1)}
	start := time.Unix(1e9, 0)
	made, taken := 0, map[string]int{}
	for now := start; now.Before(start.Add(time.Hour)); now = now.Add(lookEvery) {
		due, left := l.take(now)
		var again []suspect
		for _, s := range due {
			if late := now.Sub(s.due()); late < 0 || late >= lookEvery {
				t.Fatalf("%s was taken the %d. time %v behind its time", s.section, s.looked+1, late)
			}
			taken[s.section]++
			if s.looked++; s.looked < len(looks) {
				again = append(again, s)
			}
		}
		if n := l.lenLocked(); left != (n > 0) {
			t.Fatalf("left %v, with %d watched", left, n)
		}
		l.add(again)
		if now.Sub(start) < 30*time.Minute && r.IntN(3) == 0 {
			for range r.IntN(10) {
				l.add([]suspect{{section: fmt.Sprint(made), born: now}})
				made++
			}
		}
	}
	for i := range made {
		if n := taken[fmt.Sprint(i)]; n != len(looks) {
			t.Errorf("SA %d was looked at %d times", i, n)
		}
	}
	if n := l.lenLocked(); n != 0 || made == 0 {
		t.Errorf("%d of %d are watched after half an hour", n, made)
	}
}

func BenchmarkSuspectsOfTenThousand(b *testing.B) { benchmarkSuspects(b, 10_000) }
func BenchmarkSuspectsOf50000(b *testing.B)       { benchmarkSuspects(b, 50_000) }

// benchmarkSuspects measures one look at the watch: while nothing is due, and where SAs
// are made and renewed all the time, so that in each one is new and three are due.
func benchmarkSuspects(b *testing.B, n int) {
	now, every := time.Unix(1e9, 0), looks[len(looks)-1]/time.Duration(n)
	b.Run("none due", func(b *testing.B) {
		l := watched(n, every, now)
		for b.Loop() {
			if due, _ := l.take(now); len(due) != 0 {
				b.Fatalf("%d are due", len(due))
			}
		}
	})
	b.Run("three due", func(b *testing.B) {
		l, now, taken := watched(n, every, now), now, 0
		for b.Loop() {
			now = now.Add(every)
			l.add([]suspect{{born: now}})
			due, _ := l.take(now)
			taken += len(due)
			for _, s := range due {
				if s.looked++; s.looked < len(looks) {
					l.add([]suspect{s})
				}
			}
		}
		if each := float64(taken) / float64(b.N); b.N > n && (each < 2.9 || each > 3.1) {
			b.Errorf("%.2f were due each time", each)
		}
	})
}

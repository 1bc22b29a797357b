package oakley

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// seeded is deterministic randomness for tests; the seed is in every failure.
func seeded(t testing.TB, seed uint64) *rand.ChaCha8 {
	t.Helper()
	t.Logf("seed %d", seed)
	var s [32]byte
	s[0], s[1], s[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	return rand.NewChaCha8(s)
}

var allGroups = []Group{
	MODP768, MODP1024, MODP1536, MODP2048, MODP3072, MODP4096, MODP6144, MODP8192,
	ECP256, ECP384, ECP521, X25519,
}

func newKeyPair(t testing.TB, g Group, random *rand.ChaCha8) KeyPair {
	t.Helper()
	octets := make([]byte, g.RandomLen())
	random.Read(octets)
	kp, err := GenerateKey(g, octets)
	if err != nil {
		t.Fatalf("GenerateKey(%v): %v", g, err)
	}
	return kp
}

func TestTwoPartiesAgreeInEveryGroup(t *testing.T) {
	random := seeded(t, 1)
	for _, g := range allGroups {
		t.Run(g.String(), func(t *testing.T) {
			a, b := newKeyPair(t, g, random), newKeyPair(t, g, random)
			ab, err := a.Shared(b.Public)
			if err != nil {
				t.Fatal(err)
			}
			ba, err := b.Shared(a.Public)
			if err != nil {
				t.Fatal(err)
			}
			if !Equal(ab.Reveal(), ba.Reveal()) {
				t.Errorf("the parties disagree")
			}
			if bytes.Equal(a.Public, b.Public) {
				t.Errorf("different random octets gave the same key")
			}
		})
	}
}

func BenchmarkGenerateKey(b *testing.B) {
	for _, g := range allGroups {
		b.Run(g.String(), func(b *testing.B) {
			random := make([]byte, g.RandomLen())
			seeded(b, 2).Read(random)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := GenerateKey(g, random); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkShared(b *testing.B) {
	for _, g := range allGroups {
		b.Run(g.String(), func(b *testing.B) {
			random := seeded(b, 3)
			us, peer := newKeyPair(b, g, random), newKeyPair(b, g, random)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := us.Shared(peer.Public); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}


package oakley

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// TestPrimesFollowFromPi derives every modulus from its definition in RFC 2409
// section 6 and RFC 3526: 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c).
func TestPrimesFollowFromPi(t *testing.T) {
	for _, tc := range []struct {
		prime string
		n     uint
		c     int64
	}{
		{prime768, 768, 149686}, {prime1024, 1024, 129093}, {prime1536, 1536, 741804},
		{prime2048, 2048, 124476}, {prime3072, 3072, 1690314}, {prime4096, 4096, 240904},
		{prime6144, 6144, 929484}, {prime8192, 8192, 4743158},
	} {
		power := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
		middle := new(big.Int).Add(piBits(tc.n-130), big.NewInt(tc.c))
		want := new(big.Int).Sub(power(tc.n), power(tc.n-64))
		want.Sub(want, big.NewInt(1))
		want.Add(want, middle.Lsh(middle, 64))
		if got, _ := new(big.Int).SetString(tc.prime, 16); got.Cmp(want) != 0 {
			t.Errorf("prime%d is not the prime of the RFC", tc.n)
		}
	}
}

// piBits is floor(2^bits * pi) by Machin's formula.
func piBits(bits uint) *big.Int {
	const guard = 64
	arctan := func(x int64) *big.Int { // of 1/x
		term := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), bits+guard), big.NewInt(x))
		sum := new(big.Int).Set(term)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Quo(term, big.NewInt(-x*x))
			sum.Add(sum, new(big.Int).Quo(term, big.NewInt(k)))
		}
		return sum
	}
	pi := arctan(5)
	pi.Mul(pi, big.NewInt(4)).Sub(pi, arctan(239)).Mul(pi, big.NewInt(4))
	return pi.Rsh(pi, guard)
}

// TestMODPMatchesMathBig checks both operations against an independent modular
// exponentiation, with the extremes of the exponent among the random ones.
func TestMODPMatchesMathBig(t *testing.T) {
	random := seeded(t, 4)
	for _, g := range allGroups[:8] {
		t.Run(g.String(), func(t *testing.T) {
			p := new(big.Int).SetBytes(groups[g].dh.(modp).p.Nat().Bytes(groups[g].dh.(modp).p))
			one, ones, drawn := make([]byte, g.RandomLen()), make([]byte, g.RandomLen()), make([]byte, g.RandomLen())
			one[len(one)-1] = 1
			for i := range ones {
				ones[i] = 0xff
			}
			random.Read(drawn)
			peer := make([]byte, g.PublicLen())
			random.Read(peer[1:])
			generator, err := NewGenerator(g)
			if err != nil {
				t.Fatal(err)
			}
			exponents := [][]byte{one, ones, drawn}
			for bit := range 8 * g.RandomLen() / 7 { // single bits find a misplaced table entry
				single := make([]byte, g.RandomLen())
				single[bit*7/8] = 1 << (bit * 7 % 8)
				exponents = append(exponents, single)
			}
			if g > MODP2048 {
				exponents = exponents[:8] // slow
			}
			for _, exponent := range exponents {
				kp, err := GenerateKey(g, exponent)
				if err != nil {
					t.Fatal(err)
				}
				fast, err := generator.GenerateKey(exponent)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(fast.Public, kp.Public) || !Equal(fast.private.Reveal(), kp.private.Reveal()) {
					t.Errorf("the generator makes another key of %x", exponent)
				}
				power := func(base []byte) []byte {
					x, y := new(big.Int).SetBytes(exponent), new(big.Int).SetBytes(base)
					return y.Exp(y, x, p).FillBytes(make([]byte, g.PublicLen()))
				}
				if !bytes.Equal(kp.Public, power([]byte{2})) {
					t.Errorf("2^%x differs", exponent)
				}
				gxy, err := kp.Shared(peer)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(gxy.Reveal(), power(peer)) {
					t.Errorf("peer^%x differs", exponent)
				}
			}
		})
	}
}

// TestSharedIsLeftPadded: 2^1 to the power 1 is 2, which fills one octet of 256.
func TestSharedIsLeftPadded(t *testing.T) {
	one := make([]byte, MODP2048.RandomLen())
	one[len(one)-1] = 1
	kp, err := GenerateKey(MODP2048, one)
	if err != nil {
		t.Fatal(err)
	}
	gxy, err := kp.Shared(kp.Public)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 256)
	want[255] = 2
	if !bytes.Equal(gxy.Reveal(), want) || !bytes.Equal(kp.Public, want) {
		t.Errorf("public %x, shared %x", kp.Public, gxy.Reveal())
	}
}

func TestECPAndX25519MatchTheRFCs(t *testing.T) {
	for _, tc := range []struct {
		name                                          string
		group                                         Group
		privateI, publicI, privateR, publicR, sharedX string
	}{
		{
			name: "RFC 5903 section 8.1", group: ECP256,
			privateI: "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
			publicI: "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180" +
				"5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
			privateR: "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
			publicR: "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63" +
				"56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
			sharedX: "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
		},
		{
			name: "RFC 5903 section 8.2", group: ECP384,
			privateI: "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
			publicI: "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa" +
				"9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
			privateR: "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
			publicR: "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571" +
				"dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
			sharedX: "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
		},
		{
			name: "RFC 5903 section 8.3", group: ECP521,
			privateI: "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
			publicI: "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e" +
				"017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
			privateR: "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
			publicR: "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f" +
				"015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
			sharedX: "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea",
		},
		{
			name: "RFC 7748 section 6.1", group: X25519,
			privateI: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			publicI:  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			privateR: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			publicR:  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			sharedX:  "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, side := range [][2]string{{tc.privateI, tc.publicR}, {tc.privateR, tc.publicI}} {
				kp, err := GenerateKey(tc.group, unhex(t, side[0]))
				if err != nil {
					t.Fatal(err)
				}
				gxy, err := kp.Shared(unhex(t, side[1]))
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, hex.EncodeToString(kp.Public), hexOf(gxy))
			}
			if diff := cmp.Diff([]string{tc.publicI, tc.sharedX, tc.publicR, tc.sharedX}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSharedRefusesBadPublicValues(t *testing.T) {
	random := seeded(t, 5)
	for _, g := range allGroups {
		kp := newKeyPair(t, g, random)
		good := newKeyPair(t, g, random).Public
		bad := map[string][]byte{
			"nothing":         nil,
			"one octet":       {2},
			"an octet short":  good[1:],
			"an octet long":   append([]byte{0}, good...),
			"an octet behind": append(bytes.Clone(good), 0),
			"zero":            make([]byte, len(good)),
		}
		switch group := groups[g].dh.(type) {
		case modp:
			p := new(big.Int).SetBytes(group.p.Nat().Bytes(group.p))
			for name, y := range map[string]*big.Int{
				"one": big.NewInt(1), "p-1": new(big.Int).Sub(p, big.NewInt(1)), "p": p,
				"p+1": new(big.Int).Add(p, big.NewInt(1)),
			} {
				bad[name] = y.FillBytes(make([]byte, len(good)))
			}
			bad["all ones"] = bytes.Repeat([]byte{0xff}, len(good))
			for _, y := range []*big.Int{big.NewInt(2), new(big.Int).Sub(p, big.NewInt(2))} {
				if _, err := kp.Shared(y.FillBytes(make([]byte, len(good)))); err != nil {
					t.Errorf("%v: the ends of the range are allowed: %v", g, err)
				}
			}
		case curve:
			bad["above the field"] = bytes.Repeat([]byte{0xff}, len(good))
			if g == X25519 {
				delete(bad, "above the field") // RFC 7748 section 5: reduced, not refused
				for name, point := range lowOrderX25519 {
					bad[name] = unhex(t, point)
				}
				break
			}
			offCurve := bytes.Clone(good)
			offCurve[len(offCurve)-1] ^= 1
			bad["off the curve"] = offCurve
			bad["x only"] = good[:len(good)/2]
			bad["SEC 1 encoding"] = append([]byte{4}, good...)
		}
		for name, y := range bad {
			gxy, err := kp.Shared(y)
			if !errors.Is(err, ErrPublicValue) {
				t.Errorf("%v, %s: error %v, want ErrPublicValue", g, name, err)
			}
			if gxy.Len() != 0 {
				t.Errorf("%v, %s: a secret came with the error", g, name)
			}
		}
	}
}

// The values of order 1, 2, 4 and 8 on Curve25519 and its twist, and their
// unreduced forms.
var lowOrderX25519 = map[string]string{
	"order 4, u = 0":      "0000000000000000000000000000000000000000000000000000000000000000",
	"order 4, u = 1":      "0100000000000000000000000000000000000000000000000000000000000000",
	"order 8":             "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"order 8, the other":  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"u = p-1":             "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"u = p":               "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"u = p+1":             "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"u = p with high bit": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestGenerateKeyAsksForFreshOctetsWhenTheyAreOutOfRange(t *testing.T) {
	for _, g := range allGroups {
		if _, err := GenerateKey(g, make([]byte, g.RandomLen())); !errors.Is(err, ErrDrawAgain) {
			t.Errorf("%v of zeros: %v, want ErrDrawAgain", g, err)
		}
	}
	generator, err := NewGenerator(MODP768)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := generator.GenerateKey(make([]byte, 32)); !errors.Is(err, ErrDrawAgain) {
		t.Errorf("the generator, of zeros: %v, want ErrDrawAgain", err)
	}
	for _, g := range []Group{ECP256, ECP384, ECP521} {
		if _, err := GenerateKey(g, bytes.Repeat([]byte{0xff}, g.RandomLen())); !errors.Is(err, ErrDrawAgain) {
			t.Errorf("%v above the order: %v, want ErrDrawAgain", g, err)
		}
	}
}

func TestGenerateKeyWantsExactlyItsRandomLen(t *testing.T) {
	for _, g := range append(allGroups, 0, 3, 4, 22, 65535) {
		for _, n := range []int{0, 1, g.RandomLen() - 1, g.RandomLen() + 1} {
			if n < 0 {
				continue
			}
			if _, err := GenerateKey(g, make([]byte, n)); err == nil || errors.Is(err, ErrDrawAgain) {
				t.Errorf("%v took %d octets: %v", g, n, err)
			}
			if _, err := (Generator{}).GenerateKey(make([]byte, n)); err == nil {
				t.Error("the zero Generator made a key")
			}
		}
	}
}

func TestGroupSizes(t *testing.T) {
	type sizes struct{ Public, Random int }
	want := map[Group]sizes{
		MODP768: {96, 32}, MODP1024: {128, 32}, MODP1536: {192, 32}, MODP2048: {256, 32},
		MODP3072: {384, 34}, MODP4096: {512, 38}, MODP6144: {768, 44}, MODP8192: {1024, 48},
		ECP256: {64, 32}, ECP384: {96, 48}, ECP521: {132, 66}, X25519: {32, 32},
	}
	got := map[Group]sizes{}
	for g := range Group(1000) {
		if g.Supported() {
			got[g] = sizes{g.PublicLen(), g.RandomLen()}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAnEmptyKeyPairSharesNothing(t *testing.T) {
	for _, kp := range []KeyPair{{}, {Group: MODP768}, {Group: ECP256}} {
		if _, err := kp.Shared(make([]byte, kp.Group.PublicLen())); err == nil {
			t.Errorf("%v: no error", kp.Group)
		}
	}
}

func TestZeroErasesThePrivateKeyAndRandomIsNotRetained(t *testing.T) {
	random := bytes.Repeat([]byte{7}, 32)
	kp, err := GenerateKey(MODP768, random)
	if err != nil {
		t.Fatal(err)
	}
	if clear(random); bytes.Equal(kp.private.Reveal(), random) {
		t.Error("the key shares the caller's octets")
	}
	if kp.Zero(); !bytes.Equal(kp.private.Reveal(), make([]byte, 32)) {
		t.Error("Zero left the private key")
	}
	for _, g := range allGroups {
		kp := newKeyPair(t, g, seeded(t, 9))
		kp.Zero()
		if _, err := kp.Shared(kp.Public); err == nil || errors.Is(err, ErrPublicValue) {
			t.Errorf("%v: an erased key pair still shares: %v", g, err)
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	kp := newKeyPair(t, MODP768, seeded(t, 6))
	keys := DeriveKeys(SHA1, SKEYIDFromPSK(SHA1, []byte("secret"), nil, nil), []byte{1}, [8]byte{}, [8]byte{})
	cbc := newCBC(t, AES, keys.E.Reveal()[:16])
	for _, secret := range [][]byte{kp.private.Reveal(), keys.SKEYID.Reveal(), keys.E.Reveal()[:16]} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb+verb+verb+verb, kp, keys, cbc, &kp)
			for _, form := range []string{"%x", "%d", "%#v", "%s"} {
				if needle := strings.Trim(fmt.Sprintf(form, secret[:8]), "[]byte{}"); strings.Contains(text, needle) {
					t.Errorf("%s prints %s", verb, needle)
				}
			}
		}
	}
}

func FuzzShared(f *testing.F) {
	for i := range allGroups {
		f.Add(byte(i), []byte{2})
		f.Add(byte(i), make([]byte, allGroups[i].PublicLen()))
		f.Add(byte(i), newKeyPair(f, allGroups[i], seeded(f, 7)).Public)
	}
	f.Fuzz(func(t *testing.T, which byte, peer []byte) {
		g := allGroups[int(which)%len(allGroups)]
		kp := newKeyPair(t, g, seeded(t, 8))
		gxy, err := kp.Shared(peer)
		size := g.PublicLen()
		if c, ok := groups[g].dh.(curve); ok {
			size = c.octets
		}
		switch {
		case err != nil && !errors.Is(err, ErrPublicValue):
			t.Fatalf("%v: %v", g, err)
		case err == nil && (len(peer) != g.PublicLen() || gxy.Len() != size):
			t.Fatalf("%v: a secret of %d octets from a value of %d", g, gxy.Len(), len(peer))
		case err == nil && bytes.Equal(gxy.Reveal(), make([]byte, size)):
			t.Fatalf("%v: zero secret", g)
		}
	})
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

func BenchmarkGenerator(b *testing.B) {
	for _, g := range allGroups[:8] {
		b.Run(g.String(), func(b *testing.B) {
			random := make([]byte, g.RandomLen())
			seeded(b, 2).Read(random)
			generator, err := NewGenerator(g)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := generator.GenerateKey(random); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewGenerator(b *testing.B) {
	for _, g := range allGroups[:8] {
		b.Run(g.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewGenerator(g)
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

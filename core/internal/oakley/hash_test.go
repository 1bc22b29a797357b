package oakley

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// RFC 2202 and RFC 4231, test case 2 of each: key "Jefe". The digests are of
// "abc": RFC 1321 section A.5 and FIPS 180-4.
func TestHashAndPRFMatchPublishedVectors(t *testing.T) {
	for h, want := range map[Hash][2]string{
		MD5:    {"900150983cd24fb0d6963f7d28e17f72", "750c783e6ab0b503eaa86e310a5db738"},
		SHA1:   {"a9993e364706816aba3e25717850c26c9cd0d89d", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		SHA256: {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		SHA384: {
			"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
		},
		SHA512: {
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		},
	} {
		t.Run(h.String(), func(t *testing.T) {
			got := [2]string{
				hex.EncodeToString(h.Sum([]byte("a"), nil, []byte("bc"))),
				hex.EncodeToString(h.PRF([]byte("Jefe"), []byte("what do ya want "), []byte("for nothing?"))),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sum, prf (-want +got):\n%s", diff)
			}
			if h.Size() != len(want[0])/2 {
				t.Errorf("size %d", h.Size())
			}
		})
	}
}

func TestUnsupportedHashesYieldNothingThatCouldPass(t *testing.T) {
	for _, h := range []Hash{0, 3, 7, 65535} {
		if h.Supported() || h.Size() != 0 {
			t.Errorf("%v is supported", h)
		}
		keys := DeriveKeys(h, SKEYIDFromPSK(h, []byte("psk"), nil, nil), []byte{1}, [8]byte{}, [8]byte{})
		for name, got := range map[string][]byte{
			"Sum":       h.Sum([]byte{1}),
			"PRF":       h.PRF([]byte{1}, []byte{1}),
			"SKEYID":    keys.SKEYID.Reveal(),
			"SKEYID_a":  keys.A.Reveal(),
			"Hash1":     Hash1(h, keys.A, 1, nil),
			"CipherKey": CipherKey(h, keys.E, 16).Reveal(),
			"KEYMAT":    KEYMAT(h, keys.D, nil, 3, []byte{1, 2, 3, 4}, nil, nil, 32).Reveal(),
			"Phase1IV":  Phase1IV(h, AES, []byte{1}, []byte{2}),
		} {
			if len(got) != 0 || Equal(got, nil) || Equal(nil, got) {
				t.Errorf("%v: %s gives %x", h, name, got)
			}
		}
	}
}

func TestNamesAreThoseOfTheConfiguration(t *testing.T) {
	got := fmt.Sprint(MD5, SHA1, Hash(3), SHA256, SHA384, SHA512, Hash(9), AES, TripleDES, Camellia, Blowfish, CAST, DES, Cipher(99), MODP2048, X25519, Group(22))
	want := "md5 sha1 tiger sha256 sha384 sha512 hash(9) aes 3des camellia blowfish cast128 des cipher(99) modp2048 x25519 group(22)"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEqualComparesLengthAndEveryOctet(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"abc", "abc", true}, {"abc", "abd", false}, {"abc", "bbc", false}, {"abc", "ab", false},
		{"", "abc", false}, {"", "", false},
	} {
		if got := Equal([]byte(tc.a), []byte(tc.b)); got != tc.want {
			t.Errorf("Equal(%q, %q) = %v", tc.a, tc.b, got)
		}
	}
}

func TestExpansionHasEveryLengthAndOneStream(t *testing.T) {
	key := secret.New([]byte("skeyid"))
	long := KEYMAT(SHA1, key, nil, 3, []byte{1, 2, 3, 4}, []byte("ni"), []byte("nr"), 100).Reveal()
	for n := range 101 {
		got := KEYMAT(SHA1, key, nil, 3, []byte{1, 2, 3, 4}, []byte("ni"), []byte("nr"), n).Reveal()
		if diff := cmp.Diff(hex.EncodeToString(long[:n]), hex.EncodeToString(got)); diff != "" {
			t.Fatalf("%d octets (-want +got):\n%s", n, diff)
		}
	}
}

func TestKeysZeroErasesAllFour(t *testing.T) {
	k := DeriveKeys(SHA1, SKEYIDFromPSK(SHA1, []byte("psk"), nil, nil), []byte{1}, [8]byte{}, [8]byte{})
	k.Zero()
	for name, key := range map[string]secret.Bytes{"SKEYID": k.SKEYID, "d": k.D, "a": k.A, "e": k.E} {
		if hexOf(key) != hex.EncodeToString(make([]byte, 20)) {
			t.Errorf("%s is still there", name)
		}
	}
}

func BenchmarkPRF(b *testing.B) {
	for _, h := range []Hash{MD5, SHA1, SHA256, SHA384, SHA512} {
		b.Run(h.String(), func(b *testing.B) {
			key, part := make([]byte, h.Size()), make([]byte, 300)
			b.ReportAllocs()
			for b.Loop() {
				h.PRF(key, part)
			}
		})
	}
}

func BenchmarkDeriveKeys(b *testing.B) {
	gxy, skeyid := make([]byte, 256), secret.New(make([]byte, 32))
	b.ReportAllocs()
	for b.Loop() {
		DeriveKeys(SHA256, skeyid, gxy, [8]byte{}, [8]byte{})
	}
}

func BenchmarkKEYMAT(b *testing.B) {
	skeyid, nonce := secret.New(make([]byte, 32)), make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		KEYMAT(SHA256, skeyid, nil, 3, nonce[:4], nonce, nonce, 64)
	}
}

package oakley

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

var supportedCiphers = []Cipher{Blowfish, TripleDES, CAST, AES, Camellia}

func newCBC(t testing.TB, c Cipher, key []byte) *CBC {
	t.Helper()
	cbc, err := NewCBC(c, secret.New(key))
	if err != nil {
		t.Fatal(err)
	}
	return cbc
}

// TestCBCMatchesOpenSSL: the rows of testdata/openssl-cbc.json are random keys,
// IVs and plaintexts encrypted by OpenSSL, through pyca/cryptography 48.
func TestCBCMatchesOpenSSL(t *testing.T) {
	text, err := os.ReadFile("testdata/openssl-cbc.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Cipher, Key, IV, Plain, Text string }
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	seen := map[Cipher]int{}
	for i, row := range rows {
		for _, c := range supportedCiphers {
			if c.String() != row.Cipher {
				continue
			}
			seen[c]++
			cbc := newCBC(t, c, unhex(t, row.Key))
			iv, plain := unhex(t, row.IV), unhex(t, row.Plain)
			next := row.Text[len(row.Text)-2*c.BlockSize():]

			text, nextIV := cbc.Encrypt(iv, plain)
			if diff := cmp.Diff([]string{row.Text, next}, []string{hex.EncodeToString(text), hex.EncodeToString(nextIV)}); diff != "" {
				t.Errorf("row %d %v encrypt (-want +got):\n%s", i, c, diff)
			}
			back, nextIV, err := cbc.Decrypt(iv, unhex(t, row.Text))
			if err != nil {
				t.Errorf("row %d %v: %v", i, c, err)
			}
			if diff := cmp.Diff([]string{row.Plain, next}, []string{hex.EncodeToString(back), hex.EncodeToString(nextIV)}); diff != "" {
				t.Errorf("row %d %v decrypt (-want +got):\n%s", i, c, diff)
			}
		}
	}
	if diff := cmp.Diff(map[Cipher]int{Blowfish: 14, TripleDES: 4, CAST: 12, AES: 6, Camellia: 24}, seen); diff != "" {
		t.Errorf("rows per cipher (-want +got):\n%s", diff)
	}
}

func TestCamelliaMatchesRFC3713AppendixA(t *testing.T) {
	const plain = "0123456789abcdeffedcba9876543210"
	const key = plain + "00112233445566778899aabbccddeeff"
	for octets, want := range map[int]string{
		16: "67673138549669730857065648eabe43",
		24: "b4993401b3e996f84ee5cee7d79b09b9",
		32: "9acc237dff16d76c20ef7c919e3a7509",
	} {
		text, _ := newCBC(t, Camellia, unhex(t, key)[:octets]).Encrypt(make([]byte, 16), unhex(t, plain))
		if got := hex.EncodeToString(text); got != want {
			t.Errorf("%d-bit key: got %s, want %s", 8*octets, got, want)
		}
	}
}

func TestKeyLengths(t *testing.T) {
	for _, tc := range []struct {
		cipher Cipher
		bits   uint16
		want   int    // octets
		err    string // substring
	}{
		{AES, 0, 16, ""},
		{AES, 128, 16, ""},
		{AES, 192, 24, ""},
		{AES, 256, 32, ""},
		{AES, 160, 0, "128 to 256 in steps of 64"},
		{AES, 64, 0, "128 to 256"},
		{AES, 320, 0, "128 to 256"},
		{AES, 65535, 0, "128 to 256"},
		{Camellia, 0, 16, ""},
		{Camellia, 192, 24, ""},
		{Camellia, 129, 0, "steps of 64"},
		{TripleDES, 0, 24, ""},
		{TripleDES, 192, 0, "takes no key length"},
		{Blowfish, 0, 56, ""},
		{Blowfish, 40, 5, ""},
		{Blowfish, 448, 56, ""},
		{Blowfish, 456, 0, "40 to 448"},
		{Blowfish, 32, 0, "40 to 448"},
		{Blowfish, 130, 0, "steps of 8"},
		{CAST, 0, 16, ""},
		{CAST, 88, 11, ""},
		{CAST, 128, 16, ""},
		{CAST, 80, 0, "88 to 128"},
		{CAST, 136, 0, "88 to 128"},
		{DES, 0, 0, "des is not supported"},
		{IDEA, 0, 0, "idea is not supported"},
		{RC5, 0, 0, "rc5 is not supported"},
		{9, 0, 0, "cipher(9) is not supported"},
	} {
		t.Run(fmt.Sprintf("%v with %d bits", tc.cipher, tc.bits), func(t *testing.T) {
			got, err := tc.cipher.KeyLen(tc.bits)
			switch {
			case tc.err == "" && err != nil:
				t.Fatal(err)
			case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Fatalf("error %v, want one with %q", err, tc.err)
			case got != tc.want:
				t.Fatalf("got %d octets, want %d", got, tc.want)
			case err == nil:
				newCBC(t, tc.cipher, make([]byte, got))
			}
		})
	}
}

func TestNewCBCRefusesKeysKeyLenNeverGives(t *testing.T) {
	for _, c := range []Cipher{DES, IDEA, Blowfish, RC5, TripleDES, CAST, AES, Camellia, 0, 9} {
		for _, octets := range []int{0, 1, 4, 57, 64, 1 << 13} {
			if _, err := NewCBC(c, secret.New(make([]byte, octets))); err == nil {
				t.Errorf("%v took a key of %d octets", c, octets)
			}
		}
		if _, err := NewCBC(c, secret.Bytes{}); err == nil {
			t.Errorf("%v took no key", c)
		}
	}
}

func TestDecryptRefusesPartialBlocksAndWrongIVs(t *testing.T) {
	for _, c := range supportedCiphers {
		octets, _ := c.KeyLen(0)
		cbc, n := newCBC(t, c, make([]byte, octets)), c.BlockSize()
		for _, tc := range []struct{ iv, text int }{
			{n, 0}, {n, 1}, {n, n - 1}, {n, n + 1}, {n, 3*n - 1}, {0, n}, {n - 1, n}, {n + 1, n}, {24, n},
		} {
			if _, _, err := cbc.Decrypt(make([]byte, tc.iv), make([]byte, tc.text)); err == nil {
				t.Errorf("%v decrypted %d octets with an IV of %d", c, tc.text, tc.iv)
			}
			if text, next := cbc.Encrypt(make([]byte, tc.iv), make([]byte, tc.text)); text != nil || next != nil {
				t.Errorf("%v encrypted %d octets with an IV of %d", c, tc.text, tc.iv)
			}
		}
	}
}

func TestCBCChangesNeitherArgumentNorAliasesIt(t *testing.T) {
	cbc := newCBC(t, AES, make([]byte, 16))
	iv, text := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 48)
	_, next1, _ := cbc.Decrypt(iv, text)
	_, next2 := cbc.Encrypt(iv, text)
	clear(next1)
	clear(next2)
	if !bytes.Equal(iv, bytes.Repeat([]byte{1}, 16)) || !bytes.Equal(text, bytes.Repeat([]byte{2}, 48)) {
		t.Error("an argument was overwritten")
	}
}

func FuzzCBCDecrypt(f *testing.F) {
	for i := range supportedCiphers {
		f.Add(byte(i), make([]byte, 16), make([]byte, 64))
		f.Add(byte(i), make([]byte, 8), make([]byte, 24))
		f.Add(byte(i), []byte{}, []byte{})
	}
	f.Fuzz(func(t *testing.T, which byte, iv, text []byte) {
		c := supportedCiphers[int(which)%len(supportedCiphers)]
		octets, _ := c.KeyLen(0)
		cbc := newCBC(t, c, bytes.Repeat([]byte{which}, octets))
		plain, next, err := cbc.Decrypt(iv, text)
		whole := len(iv) == c.BlockSize() && len(text) > 0 && len(text)%c.BlockSize() == 0
		if whole != (err == nil) {
			t.Fatalf("%v, IV of %d, text of %d octets: %v", c, len(iv), len(text), err)
		}
		if err != nil {
			return
		}
		again, nextAgain := cbc.Encrypt(iv, plain)
		if !bytes.Equal(again, text) || !bytes.Equal(nextAgain, next) {
			t.Fatalf("%v: encrypting the plaintext gives another ciphertext", c)
		}
	})
}

func BenchmarkCBCDecrypt(b *testing.B) {
	for _, c := range supportedCiphers {
		b.Run(c.String(), func(b *testing.B) {
			octets, _ := c.KeyLen(0)
			cbc, iv, text := newCBC(b, c, make([]byte, octets)), make([]byte, c.BlockSize()), make([]byte, 256)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				cbc.Decrypt(iv, text)
			}
		})
	}
}

func BenchmarkNewCBC(b *testing.B) {
	for _, c := range supportedCiphers {
		b.Run(c.String(), func(b *testing.B) {
			octets, _ := c.KeyLen(0)
			key := secret.New(make([]byte, octets))
			b.ReportAllocs()
			for b.Loop() {
				NewCBC(c, key)
			}
		})
	}
}

func TestCipherName(t *testing.T) {
	for _, tc := range []struct {
		cipher Cipher
		bits   uint16
		want   string
	}{
		{AES, 256, "aes-256"}, {AES, 0, "aes-128"}, {TripleDES, 0, "3des"}, {CAST, 128, "cast128-128"}, {IDEA, 0, "idea"}, {Cipher(99), 0, "cipher(99)"},
	} {
		if got := tc.cipher.Name(tc.bits); got != tc.want {
			t.Errorf("cipher %d with %d bits: %q, want %q", tc.cipher, tc.bits, got, tc.want)
		}
	}
}

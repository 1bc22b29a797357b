package strength

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func bitsOf(key, id string) float64 { return New().Round().Key([]byte(key), id).Bits }

// TestWhatPeopleTypeIsWeak: keys of guides, of password lists, and of people.
func TestWhatPeopleTypeIsWeak(t *testing.T) {
	for _, c := range []struct {
		name, key, id string
		below         float64
	}{
		{"a password", "password", "", 20},
		{"one of a leaked list", "trustno1", "", 20},
		{"a password with its letters dressed up", "P@ssw0rd123!", "", 60},
		{"the example of every guide", "mysecretkey", "", 40},
		{"a word of the trade and a year", "IPsecVPN2025", "", 40},
		{"a company's", "CompanyVPN2019Secret", "", 60},
		{"the comic's, without blanks", "correcthorsebatterystaple", "", 60},
		{"the comic's", "correct horse battery staple", "", 80},
		{"the comic's, dressed up", "c0rr3ctH0rs3b4tt3ryst4pl3", "", 80},
		{"words with capitals", "TheCatSatOnTheMat", "", 80},
		{"a company's, with abbreviations", "MyCompanyVPN2019Secret", "", 80},
		{"the identity itself", "vpn.example.org", "vpn.example.org", 20},
		{"the identity and a year", "vpn.example.org2025", "vpn.example.org", 40},
		{"the host's name", "Mordor!2026", "mordor.example.org", 60},
		{"the peer's address", "192.0.2.1", "192.0.2.1", 20},
		{"one character", strings.Repeat("a", 64), "", 20},
		{"one block again and again", strings.Repeat("q8ZtX0", 12), "", 60},
		{"a password twice", "passwordpassword", "", 20},
		{"a season and a year, again and again", "Winter2024Winter2024Winter2024", "", 60},
		{"the alphabet and the digits", "abcdefghijklmnopqrstuvwxyz0123456789", "", 40},
		{"all hexadecimal digits, twice", "0123456789abcdef0123456789abcdef", "", 40},
		{"the keyboard's rows", "qwertyuiopasdfghjklzxcvbnm", "", 60},
		{"digits in their order", "12345678901234567890", "", 40},
		{"a date", "20230514", "", 40},
		{"a telephone number", "+49 30 1234567", "", 80},
		{"a short random one", "q8ZtX0bV3n", "", 80},
		{"another", "3f9a1c77", "", 40},
		{"octets that count up", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", "", 40},
		{"octets that are all the same", string(make([]byte, 32)), "", 20},
		{"a password and a carriage return", "password1\r", "", 20},
		{"nothing", "", "", 20},
	} {
		if got := bitsOf(c.key, c.id); got >= c.below {
			t.Errorf("%s: %.0f bits, want fewer than %.0f", c.name, got, c.below)
		}
	}
}

// generated are keys as tools make them.
var generated = []struct {
	name string
	make func(random []byte) string
}{
	{"openssl rand -hex 32", func(r []byte) string { return hex.EncodeToString(r[:32]) }},
	{"openssl rand -hex 16", func(r []byte) string { return hex.EncodeToString(r[:16]) }},
	{"openssl rand -base64 32", func(r []byte) string { return base64.StdEncoding.EncodeToString(r[:32]) }},
	{"openssl rand -base64 18", func(r []byte) string { return base64.StdEncoding.EncodeToString(r[:18]) }},
	{"32 octets", func(r []byte) string { return string(r[:32]) }},
	{"16 octets", func(r []byte) string { return string(r[:16]) }},
	{"20 letters and digits", func(r []byte) string {
		return pick(r, 20, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	}},
	{"24 small letters", func(r []byte) string { return pick(r, 24, "abcdefghijklmnopqrstuvwxyz") }},
	{"20 of what a keyboard has", func(r []byte) string {
		return pick(r, 20, "!#$%&()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~")
	}},
	{"UPPER-DIGIT groups", func(r []byte) string {
		s := pick(r, 20, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
		return s[:5] + "-" + s[5:10] + "-" + s[10:15] + "-" + s[15:]
	}},
}

func pick(random []byte, n int, alphabet string) string {
	var s []byte
	for _, b := range random[:n] {
		s = append(s, alphabet[int(b)%len(alphabet)])
	}
	return string(s)
}

// TestWhatToolsMakeIsStrong: none of a hundred may be called weak.
func TestWhatToolsMakeIsStrong(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	for _, g := range generated {
		random := make([]byte, 64)
		for range 100 {
			source.Read(random)
			key := g.make(random)
			if got := bitsOf(key, "192.0.2.1"); got < Enough {
				t.Errorf("%s: %.0f bits for %q", g.name, got, key)
			}
		}
	}
}

// TestTheDictionariesAreAskedOnce for a key, across readings, and so often at most.
func TestTheDictionariesAreAskedOnce(t *testing.T) {
	j := New()
	first := j.Round()
	var keys [][]byte
	for i := range maxLookups + 50 {
		keys = append(keys, fmt.Appendf(nil, "lantern %d %d", i, i*i))
	}
	sure := 0
	for _, k := range keys {
		if first.Key(k, "").Sure {
			sure++
		}
	}
	if sure == 0 || sure > maxLookups || first.left > 0 {
		t.Errorf("%d keys looked up, %d left", sure, first.left)
	}
	second := j.Round()
	for _, k := range keys[:sure] {
		if !second.Key(k, "").Sure {
			t.Fatal("forgotten")
		}
	}
	if second.left != maxLookups {
		t.Errorf("asked %d times again", maxLookups-second.left)
	}
	if v := second.Key(keys[sure], ""); !v.Sure {
		t.Error("the second reading goes no further than the first")
	}
}

// FuzzKey: whatever the key, an answer that makes sense.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"", "password", "\x00\xff", "a1b2c3", "İİİ", "@4({[<369&#!1/|0$5+7%2/", strings.Repeat("qwerty", 6), "12/11/1990"} {
		f.Add([]byte(s), "vpn.example.org")
	}
	f.Fuzz(func(t *testing.T, key []byte, id string) {
		key = key[:min(len(key), 40)] // more octets are more of the same
		was := bytes.Clone(key)
		r := New().Round()
		v := r.Key(key, id)
		if math.IsNaN(v.Bits) || v.Bits < 0 || v.Bits > 8*float64(len(key)) || !v.Sure {
			t.Errorf("%+v for %d octets", v, len(key))
		}
		if again := r.Key(key, id); again != v {
			t.Errorf("%+v, and then %+v", v, again)
		}
		// Its words come before those of the trade, each of which may cost a little more.
		if alone := r.Key(key, ""); alone.Bits < v.Bits-16 {
			t.Errorf("%.0f bits, fewer than the %.0f of who knows the identity", alone.Bits, v.Bits)
		}
		if !bytes.Equal(was, key) {
			t.Error("the key was changed")
		}
	})
}

// BenchmarkTenThousandKeys is a large gateway's file: all different.
func BenchmarkTenThousandKeys(b *testing.B) {
	kinds := append(generated[:len(generated):len(generated)], struct {
		name string
		make func([]byte) string
	}{"passphrases", func(r []byte) string { return fmt.Sprintf("lantern %x orbit", r[:3]) }})
	for _, g := range kinds {
		b.Run(strings.ReplaceAll(g.name, " ", "_"), func(b *testing.B) {
			keys := make([][]byte, 10_000)
			source := rand.NewChaCha8([32]byte{})
			for i := range keys {
				random := make([]byte, 64)
				source.Read(random)
				keys[i] = []byte(g.make(random))
			}
			for b.Loop() {
				r := New().Round()
				for _, k := range keys {
					r.Key(k, "192.0.2.1")
				}
				b.ReportMetric(float64(maxLookups-r.left), "lookups")
			}
		})
	}
}

package psk

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show prints entries with their keys, which only a test may.
func show(entries []entry) []string {
	var s []string
	for _, e := range entries {
		if e.bad {
			s = append(s, fmt.Sprintf("%d %s bad", e.line, e.id))
			continue
		}
		s = append(s, fmt.Sprintf("%d %s %q", e.line, e.id, e.key.Reveal()))
	}
	return s
}

func TestParse(t *testing.T) {
	const strong = "0123456789abcdef0123"
	tests := []struct {
		name, in string
		want     []string
		findings []string // line and code
	}{
		{name: "an empty file has no keys"},
		{name: "a plain entry", in: "192.0.2.1 " + strong + "\n", want: []string{`1 192.0.2.1 "` + strong + `"`}},
		{name: "the last line needs no newline", in: "a " + strong, want: []string{`1 a "` + strong + `"`}},
		{name: "any blanks separate identity and key", in: "a \t\v\f " + strong, want: []string{`1 a "` + strong + `"`}},
		{name: "a # in the first column is a comment", in: "#a " + strong + "\n# b\n#\n"},
		{name: "a # elsewhere is part of the key", in: "a " + strong + " # not a comment", want: []string{`1 a "` + strong + ` # not a comment"`}},
		{name: "blanks inside the key are part of it", in: "a one two three four five", want: []string{`1 a "one two three four five"`}},
		{name: "a trailing blank is part of the key and reported", in: "a " + strong + " \n", want: []string{`1 a "` + strong + ` "`}, findings: []string{"1 PSK002"}},
		{name: "a carriage return is part of the key and reported", in: "a " + strong + "\r\n", want: []string{`1 a "` + strong + `\r"`}, findings: []string{"1 PSK002"}},
		{name: "an empty line is nothing", in: "\n\r\n  \n\n"},
		{name: "a line without key is reported", in: "a\nb \r\n", findings: []string{"1 PSK004", "2 PSK004"}},
		{name: "a line that begins with a blank is reported", in: " a " + strong, findings: []string{"1 PSK004"}},
		{name: "a line with a NUL is reported", in: "a " + strong + "\x00x", findings: []string{"1 PSK004"}},
		{name: "hexadecimal with blanks, both cases", in: "a 0x000102 0A0b 0C0D0E0F 10111213 14\r", want: []string{`1 a "\x00\x01\x02\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14"`}},
		{name: "0X is not hexadecimal", in: "a 0X" + strong, want: []string{`1 a "0X` + strong + `"`}},
		{name: "an odd number of digits is no key", in: "a 0x123", want: []string{"1 a bad"}, findings: []string{"1 PSK003"}},
		{name: "no digits are no key", in: "a 0x \r", want: []string{"1 a bad"}, findings: []string{"1 PSK003"}},
		{name: "other letters are no key", in: "a 0x12zz", want: []string{"1 a bad"}, findings: []string{"1 PSK003"}},
		{name: "a key that begins with the letters 0x elsewhere is text", in: "a x0x12", want: []string{`1 a "x0x12"`}},
		{name: "a key may begin with #", in: "a #" + strong, want: []string{`1 a "#` + strong + `"`}},
		{name: "a # may begin an identity only behind the first column", in: "a# " + strong, want: []string{`1 a# "` + strong + `"`}},
		{name: "a byte order mark is not part of the first identity", in: "\ufeffa " + strong, want: []string{`1 a "` + strong + `"`}, findings: []string{"1 PSK015"}},
		{name: "nor does it hide a comment", in: "\ufeff# a " + strong + "\nb " + strong, want: []string{`2 b "` + strong + `"`}, findings: []string{"1 PSK015"}},
		{name: "a long line is cut where racoon cuts it", in: "a " + strings.Repeat("k", 2000) + "\nb " + strong,
			want:     []string{`1 a "` + strings.Repeat("k", 1021) + `"`, `2 b "` + strong + `"`},
			findings: []string{"1 PSK005"}},
		{name: "a line of 1023 octets is whole", in: "a " + strings.Repeat("k", 1021) + "\n", want: []string{`1 a "` + strings.Repeat("k", 1021) + `"`}},
		{name: "addresses are known in any spelling", in: "2001:DB8:0::1 " + strong + "\n::ffff:192.0.2.1 " + strong + "\nfe80::1%em0 " + strong,
			want: []string{`1 2001:db8::1 "` + strong + `"`, `2 192.0.2.1 "` + strong + `"`, `3 fe80::1%em0 "` + strong + `"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, findings := parse([]byte(tt.in))
			if d := cmp.Diff(tt.want, show(table.entries)); d != "" {
				t.Errorf("entries (-want +got):\n%s", d)
			}
			var got []string
			for _, f := range findings {
				got = append(got, fmt.Sprintf("%d %s", f.line, f.code))
				if f.fix == "" {
					t.Errorf("%v does not say how to mend it", f)
				}
			}
			if d := cmp.Diff(tt.findings, got); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}

func TestLookupTakesTheFirstLineThatMatches(t *testing.T) {
	tests := []struct {
		name, in, id string
		want         []int // lines
	}{
		{name: "no line", in: "b k", id: "a"},
		{name: "the first of two that stand apart", in: "a k1\nb k\na k2", id: "a", want: []int{1}},
		{name: "a wildcard before it", in: "* k1\na k2", id: "a", want: []int{1}},
		{name: "a wildcard after it is not a second key", in: "a k1\n* k2", id: "a", want: []int{1}},
		{name: "a wildcard when nothing else fits", in: "a k1\n* k2", id: "b", want: []int{2}},
		{name: "consecutive lines are candidates in file order", in: "x k\na k1\n# the old one\n\na k2\nb k", id: "a", want: []int{2, 5}},
		{name: "consecutive wildcards too", in: "* k1\n* k2", id: "a", want: []int{1, 2}},
		{name: "four at most", in: "a 1\na 2\na 3\na 4\na 5", id: "a", want: []int{1, 2, 3, 4}},
		{name: "one that cannot be read ends them", in: "a k1\na 0xz\na k3", id: "a", want: []int{1}},
		{name: "one that cannot be read first is what is found", in: "a 0xz\na k", id: "a", want: []int{1, 2}},
		{name: "identities are compared octet by octet", in: "A k1\na. k2", id: "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, _ := parse([]byte(tt.in))
			var got []int
			for _, e := range table.lookup(tt.id) {
				got = append(got, e.line)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("lines (-want +got):\n%s", d)
			}
		})
	}
}

// getpsk is the original's look-up as racoon-conf section 12.2 and 12.3 describe it,
// line by line, to compare ours with. ok is false where the look-up ends without a
// key.
func getpsk(file, id string) (line int, key string, ok bool) {
	for n, text := range strings.Split(file, "\n") {
		if strings.HasPrefix(text, "#") {
			continue
		}
		end := strings.IndexAny(text, blanks)
		if end < 0 {
			continue
		}
		key := strings.TrimLeft(text[end:], blanks)
		if name := text[:end]; key == "" || name != "*" && name != id || name == "" {
			continue
		}
		if digits, hexadecimal := strings.CutPrefix(key, "0x"); hexadecimal {
			raw, err := hex.DecodeString(strings.Join(strings.FieldsFunc(digits, func(r rune) bool { return strings.ContainsRune(blanks, r) }), ""))
			return n + 1, string(raw), err == nil && len(raw) > 0
		}
		return n + 1, key, true
	}
	return 0, "", false
}

// comparable reports whether the original means by a file what we mean: it has no
// lines that are cut or refused here, no mark of an editor, and every address is
// spelled as the original wants it.
func comparable(file string) bool {
	if strings.ContainsRune(file, 0) || strings.HasPrefix(file, "\ufeff") {
		return false
	}
	for _, text := range strings.Split(file, "\n") {
		name, _, _ := strings.Cut(strings.NewReplacer("\t", " ", "\v", " ", "\f", " ", "\r", " ").Replace(text), " ")
		if len(text) > maxLine || canonical(name) != name {
			return false
		}
	}
	return true
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "* k\na 0x12\na 0x1\nb k", "\ufeffa k", "a", "a k", "# c\n* 0x00 11\r\n", "\x00", "a 0x", " a b\nfe80::1%x k\n", strings.Repeat("x", 1100)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := string(data)
		table, findings := parse(data)
		lines := strings.Split(in, "\n")
		last := 0
		for _, e := range table.entries {
			if e.line <= last || e.line > len(lines) {
				t.Fatalf("entry on line %d after %d of %d", e.line, last, len(lines))
			}
			last = e.line
			if strings.ContainsAny(e.id, blanks+"\n\x00") || e.id == "" {
				t.Fatalf("line %d has the identity %q", e.line, e.id)
			}
			if e.bad != (e.key.Len() == 0) {
				t.Fatalf("line %d: bad %v, %d octets of key", e.line, e.bad, e.key.Len())
			}
			if k := string(e.key.Reveal()); !e.bad && !strings.Contains(lines[e.line-1], "0x") && !strings.Contains(lines[e.line-1], k) {
				t.Fatalf("line %d: the key is not in it", e.line)
			}
			if line, key, ok := getpsk(in, e.id); comparable(in) {
				first := table.lookup(e.id)[0]
				if first.line != line || first.bad == ok || ok && string(first.key.Reveal()) != key {
					t.Fatalf("the original takes line %d (%v) for %q, we take line %d", line, ok, e.id, first.line)
				}
			}
			found := table.lookup(e.id)
			if len(found) == 0 || len(found) > maxCandidates || found[0].line > e.line {
				t.Fatalf("line %d is not found by its identity", e.line)
			}
		}
		for _, f := range findings {
			if f.line < 1 || f.line > len(lines) || strings.Contains(f.text+f.fix, "\n") {
				t.Fatalf("finding %v in %d lines", f, len(lines))
			}
		}
		again, _ := parse([]byte(in))
		if d := cmp.Diff(show(table.entries), show(again.entries)); d != "" {
			t.Fatalf("read twice:\n%s", d)
		}
		table.zero()
		for _, e := range table.entries {
			for _, b := range e.key.Reveal() {
				if b != 0 {
					t.Fatalf("line %d: the key is not zeroed", e.line)
				}
			}
		}
		if string(data) != in {
			t.Fatal("the input was changed")
		}
	})
}

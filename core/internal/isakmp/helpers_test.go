package isakmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unhex reads hex with blanks and line breaks.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sharedVectors is the folder of third-party test data beside the repository.
func sharedVectors(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, e := os.Stat(filepath.Join(dir, "go.mod")); e == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, "..", "shared", "vectors", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("third-party test data is not here: %v", err)
	}
	return path
}

// cmpAddr compares addresses by their octets; they have no exported parts.
var cmpAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func asSyntaxError(err error) (*SyntaxError, bool) {
	var e *SyntaxError
	return e, errors.As(err, &e)
}

// typed is what every payload of its own type has.
type typed interface {
	Append([]byte) []byte
	fmt.Stringer
}

// A goodBody is a body, its value and how that reads.
type goodBody[T typed] struct {
	name string
	hex  string
	want T
	text string
	// open is the number of octets from which on a prefix of the body is a
	// body, too, because what follows has no length of its own; why says
	// what. 0: no proper prefix is a body.
	open int
	why  string
}

func testGood[T typed](t *testing.T, parse func([]byte) (T, error), cases []goodBody[T]) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if (c.open == 0) != (c.why == "") {
				t.Error("prefixes are accepted without a reason")
			}
			body := unhex(t, c.hex)
			got, err := parse(body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpAddr); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			prefix := []byte("before")
			if diff := cmp.Diff(append(prefix, body...), got.Append(prefix)); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
			if got.String() != c.text {
				t.Errorf("reads %s\n want %s", got, c.text)
			}
			testPrefixes(t, body, c.open, func(b []byte) ([]byte, error) {
				v, err := parse(b)
				return v.Append(nil), err
			})
		})
	}
}

// testPrefixes checks that no proper prefix of b is accepted below open
// octets, and that what is accepted above is all used.
func testPrefixes(t *testing.T, b []byte, open int, reparse func([]byte) ([]byte, error)) {
	t.Helper()
	for n := range len(b) {
		out, err := reparse(b[:n:n])
		if err == nil && (open == 0 || n < open) {
			t.Errorf("a prefix of %d of %d octets is accepted", n, len(b))
		}
		if err == nil && !bytes.Equal(out, b[:n]) {
			t.Errorf("a prefix of %d octets re-appends as %x", n, out)
		}
	}
}

// A badBody is refused.
type badBody struct {
	name   string
	hex    string
	offset int
	why    string // part of it
	notify NotifyType
}

func testBad[T any](t *testing.T, payload PayloadType, parse func([]byte) (T, error), cases []badBody) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(unhex(t, c.hex))
			checkSyntaxError(t, err, payload, c)
			var zero T
			if diff := cmp.Diff(zero, got, cmpAddr); diff != "" {
				t.Errorf("a refused body leaves a value (-want +got):\n%s", diff)
			}
		})
	}
}

func checkSyntaxError(t *testing.T, err error, payload PayloadType, c badBody) {
	t.Helper()
	e, ok := asSyntaxError(err)
	if !ok {
		t.Fatalf("got error %v, want a SyntaxError", err)
	}
	if e.Payload != payload || e.Offset != c.offset || e.Notify() != c.notify || !strings.Contains(e.Why, c.why) {
		t.Errorf("got %v payload, octet %d, %v: %q\nwant %v payload, octet %d, %v: %q",
			e.Payload, e.Offset, e.Notify(), e.Why, payload, c.offset, c.notify, c.why)
	}
}

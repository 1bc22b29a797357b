package isakmp

import (
	"crypto/md5"
	"strings"
	"testing"
)

// Those that are the MD5 of their name must be.
func TestVendorIDsAreWhatTheyAreMadeFrom(t *testing.T) {
	for v, known := range vendorIDs {
		got, rest := ParseVendorID(append(v.Append(nil), 1, 2))
		if got != v || len(rest) != 2 {
			t.Errorf("%v is read as %v, %d octets behind it", v, got, len(rest))
		}
		if !strings.HasPrefix(known.name, "draft") && v != VendorNATT && v != VendorFragmentation {
			continue
		}
		if sum := md5.Sum([]byte(strings.ReplaceAll(known.name, `\n`, "\n"))); string(sum[:]) != known.octets {
			t.Errorf("%v: %x is not the MD5 of its text", v, known.octets)
		}
	}
	if v, _ := ParseVendorID([]byte("4a131c8")); v != VendorUnknown {
		t.Errorf("seven letters are read as %v", v)
	}
}

package config

import (
	"strings"
	"testing"
)

// TestSAInfosOfSeveralNames: whose sections they are tells sections apart, by a
// distinguished name too.
func TestSAInfosOfSeveralNames(t *testing.T) {
	section := func(from string) string {
		return `sainfo address 10.0.0.0/8 any anonymous from ` + from + ` { pfs_group 14; encryption_algorithm aes_gcm; }` + "\n"
	}
	for want, text := range map[int]string{
		0: section(`asn1dn "CN=a"`) + section(`asn1dn "CN=b"`) + section("asn1dn") + section(`fqdn "CN=a"`),
		1: section(`asn1dn "CN=a"`) + section(`asn1dn "CN=a"`),
	} {
		_, diags := load(t, "racoon.conf", text)
		if got := strings.Count(render(diags), "is a duplicate of the one in line"); got != want {
			t.Errorf("%d duplicates, want %d\n%s", got, want, render(diags))
		}
	}
}

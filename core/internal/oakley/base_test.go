package oakley

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// There is no recorded base mode to compare with; this is the formula of
// draft-ietf-ipsec-ike-base-mode-02, from its parts.
func TestBaseHashIHasNoPublicValueOfTheResponder(t *testing.T) {
	skeyid := []byte("a SKEYID")
	m := hmac.New(sha256.New, skeyid)
	m.Write([]byte("g^xi" + "initiatr" + "respondr" + "SAi_b" + "IDii_b"))
	got := BaseHashI(SHA256, secret.New(skeyid), []byte("g^xi"), [8]byte([]byte("initiatr")), [8]byte([]byte("respondr")), []byte("SAi_b"), []byte("IDii_b"))
	if want := m.Sum(nil); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

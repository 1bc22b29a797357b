package ike_test

import (
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// TestSHA256IsCutAsTheSectionSays: sha256_96 is about one algorithm in ESP and AH, and
// nothing on the wire tells the peer: with two ends that differ SAs come up and carry nothing.
func TestSHA256IsCutAsTheSectionSays(t *testing.T) {
	short := []func(*policy.Remote){func(r *policy.Remote) { r.ShortSHA256 = true }}
	for _, tt := range []struct {
		name   string
		auth   uint16
		protos []uint8
		a, b   []func(*policy.Remote)
		icv    uint16 // of a's SAs
		lost   string
	}{
		{"RFC 4868", isakmp.SAAuthHMACSHA256, nil, nil, nil, 128, ""},
		{"both ends cut", isakmp.SAAuthHMACSHA256, nil, short, short, 96, ""},
		{"AH", isakmp.SAAuthHMACSHA256, []uint8{51}, short, short, 96, ""},
		{"one end cuts", isakmp.SAAuthHMACSHA256, nil, short, nil, 96, "the ICVs have another length"},
		{"another algorithm is left alone", isakmp.SAAuthHMACSHA512, nil, short, nil, 256, ""},
		{"HMAC-SHA1 has 96 anyway", isakmp.SAAuthHMACSHA1, nil, short, nil, 96, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := iketest.New(1)
			a, b := w.AddHost("a"), w.AddHost("b")
			o := iketest.Options{Auth: []policy.Algorithm{{ID: tt.auth}}, Protos: tt.protos}
			o.Remote = tt.a
			a.Configure(b, o)
			o.Remote = tt.b
			b.Configure(a, o)
			a.Acquire(b)
			w.Run(5 * time.Second)
			if err := w.Err(); err != nil {
				t.Fatal(err)
			}
			if len(a.Kernel.SAs) != 2 {
				t.Fatalf("a has %d SAs, want a pair", len(a.Kernel.SAs))
			}
			for key, sa := range a.Kernel.SAs {
				if sa.ICV != tt.icv {
					t.Errorf("%s has an ICV of %d bits, want %d", a.Kernel.Name(key), sa.ICV, tt.icv)
				}
			}
			w.CheckCarries(a, b.Addr)
			switch err := w.Err(); {
			case tt.lost == "" && err != nil:
				t.Error(err)
			case tt.lost != "" && (err == nil || !strings.Contains(err.Error(), tt.lost)):
				t.Errorf("%v, want %q", err, tt.lost)
			}
		})
	}
}

package engine

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

func TestMessagesAreDescribedOnlyWhenAsked(t *testing.T) {
	msg := isakmp.AppendMessage(nil, isakmp.Header{CkyI: cookie(1), Version: isakmp.Version1, Exchange: isakmp.IdentityProtection},
		[]isakmp.Payload{{Type: isakmp.PayloadVID, Body: make([]byte, 16)}})
	hd, err := isakmp.ParseHeader(msg)
	if err != nil {
		t.Fatal(err)
	}
	for verbose, want := range map[bool]string{
		false: "48 octets",
		true:  "48 octets, ID_PROT " + cookie(1).String() + ":0000000000000000 msgid=00000000 [VID(16)]",
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, Options{Verbose: verbose}).start(t)
			h.travelled(notice.Sent, here, hd, msg)
			synctest.Wait()
			if got := h.said(notice.Sent); !slices.Equal(got, []string{want}) {
				t.Errorf("verbose %v: %q, want %q", verbose, got, want)
			}
		})
	}
}

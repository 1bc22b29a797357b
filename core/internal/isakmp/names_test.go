package isakmp

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNamesAreReadBothWays(t *testing.T) {
	for name, table := range map[string]Names{
		"ExchangeTypes": ExchangeTypes, "PayloadTypes": PayloadTypes, "Protocols": Protocols, "IDTypes": IDTypes,
		"CertEncodings": CertEncodings, "NotifyTypes": NotifyTypes, "ConfigTypes": ConfigTypes, "ConfigAttrs": ConfigAttrs,
		"Phase1Attrs": Phase1Attrs, "EncryptionAlgorithms": EncryptionAlgorithms, "HashAlgorithms": HashAlgorithms,
		"AuthMethods": AuthMethods, "Groups": Groups, "LifeTypes": LifeTypes, "Phase2Attrs": Phase2Attrs,
		"EncapModes": EncapModes, "AuthAlgorithms": AuthAlgorithms, "ESPTransforms": ESPTransforms,
		"AHTransforms": AHTransforms, "IPCompTransforms": IPCompTransforms,
	} {
		names, numbers := map[string]bool{}, map[uint32]bool{}
		for _, e := range table {
			if names[e.Name] || numbers[e.Number] || e.Name == "" {
				t.Errorf("%s: %v is there twice or has no name", name, e)
			}
			names[e.Name], numbers[e.Number] = true, true
			if n, ok := table.Number(table.Name(e.Number)); !ok || n != e.Number {
				t.Errorf("%s: %d reads %q, which is %d, %t", name, e.Number, table.Name(e.Number), n, ok)
			}
		}
		if n, ok := table.Number(table.Name(54321)); !ok || n != 54321 {
			t.Errorf("%s: a number without a name is lost: %d, %t", name, n, ok)
		}
		if _, ok := table.Number("no such name"); ok {
			t.Errorf("%s: takes any name", name)
		}
	}
}

func TestNotifyTypesAreComplete(t *testing.T) {
	for n := NotifyInvalidPayloadType; n <= NotifyUnequalPayloadLengths; n++ { // RFC 2408 §3.14.1: 1 to 30
		if s := n.String(); !strings.Contains(s, "-") {
			t.Errorf("notify type %d has no name", n)
		}
	}
}

func TestHeaderReads(t *testing.T) {
	h := messageHeader
	for _, c := range []struct {
		name string
		edit func(*Header)
		want string
	}{
		{"plain", func(*Header) {}, ""},
		{"flags", func(h *Header) { h.Flags = FlagEncryption | FlagCommit | FlagAuthOnly | 0x80 }, " flags=E|C|A|0x80"},
		{"version", func(h *Header) { h.Version = 0x20 }, " version=2.0"},
	} {
		h := h
		c.edit(&h)
		if want := "ID_PROT 72e2db93c5660054:67852bea280123a0 msgid=00000000" + c.want; h.String() != want {
			t.Errorf("%s: %s, want %s", c.name, h, want)
		}
	}
}

// What slog writes must be what String says, also as JSON, where a Stringer
// alone would be a number or a struct.
func TestLogValueIsString(t *testing.T) {
	for _, v := range []interface {
		fmt.Stringer
		slog.LogValuer
	}{
		Cookie{1}, IdentityProtection, FlagEncryption, PayloadNATD, messageHeader, Payload{Type: PayloadVID},
		ProtoESP, SA{}, Proposal{}, Transform{}, Attribute{}, IDFQDN, ID{}, CertX509Sign, Cert{}, CertRequest{},
		NotifyRUThere, Notify{}, Delete{}, NATOA{}, Fragment{}, ConfigAck, Config{},
	} {
		var got bytes.Buffer
		slog.New(slog.NewJSONHandler(&got, nil)).Info("", "v", v)
		var want bytes.Buffer
		slog.New(slog.NewJSONHandler(&want, nil)).Info("", "v", v.String())
		_, g, _ := strings.Cut(got.String(), `"v":`)
		_, w, _ := strings.Cut(want.String(), `"v":`)
		if g != w {
			t.Errorf("%T logs %s, want %s", v, g, w)
		}
	}
}

func TestSyntaxErrorLogsItsParts(t *testing.T) {
	var got bytes.Buffer
	_, err := ParseFragment(nil)
	slog.New(slog.NewJSONHandler(&got, nil)).Info("", "err", err)
	want := `"err":{"payload":"FRAGMENT","offset":0,"why":"truncated","notify":"PAYLOAD-MALFORMED"}`
	if !strings.Contains(got.String(), want) {
		t.Errorf("logs %swant %s", got.String(), want)
	}
}

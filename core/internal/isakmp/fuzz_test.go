package isakmp

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzBody fuzzes one ParseX. What parses must append to the same octets but
// for those reserved, parse again to the same value, and read as a line.
func fuzzBody[T typed](f *testing.F, typ PayloadType, parse func([]byte) (T, error)) {
	for _, body := range seedBodies(f, typ) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parse(body)
		if err != nil {
			if e, ok := asSyntaxError(err); !ok || e.Payload != typ || e.Offset < 0 || e.Offset > len(body) || e.Notify() == 0 {
				t.Fatalf("error %#v", err)
			}
			return
		}
		canonical := v.Append(nil)
		if len(canonical) != len(body) {
			t.Fatalf("%x appends as %x", body, canonical)
		}
		again, err := parse(canonical)
		if err != nil {
			t.Fatalf("%x appends as %x: %v", body, canonical, err)
		}
		if diff := cmp.Diff(v, again, cmpAddr); diff != "" {
			t.Fatalf("parsed again (-first +second):\n%s", diff)
		}
		if !bytes.Equal(canonical, again.Append(nil)) {
			t.Fatalf("%x is no fixed point", canonical)
		}
		if s := v.String(); s == "" || len(s) > 256+64*len(body) || bytes.ContainsAny([]byte(s), "\n\x00") {
			t.Fatalf("reads %q", s)
		}
	})
}

// seedBodies are the bodies of a type in the traces' clear messages and the
// ones the tables have.
func seedBodies(t testing.TB, typ PayloadType) (bodies [][]byte) {
	for _, d := range seedDatagrams(t) {
		_, ps, _ := ParseMessage(d)
		for _, p := range ps {
			if p.Type == typ {
				bodies = append(bodies, p.Body)
			}
		}
	}
	for _, c := range saCases {
		if typ == PayloadSA {
			bodies = append(bodies, unhex(t, c.hex))
		}
	}
	for _, s := range seedHex[typ] {
		bodies = append(bodies, unhex(t, s))
	}
	return bodies
}

var seedHex = map[PayloadType][]string{
	PayloadID:       {"04 00 0000 0a010000 ffffe000", "07 06 0050 0a000001 0a000009", "02 00 0000 612e62"},
	PayloadN:        {"00000001 03 04 6000 c0ffee12 80010001 80020e10", "00000001 01 00 000e"},
	PayloadD:        {"00000001 03 04 0002 c0ffee12 00001000"},
	PayloadNATOA:    {"01 000000 c0000201", "05 000000" + doc6One},
	PayloadFragment: {"0001 20 01 c0"},
	PayloadAttr:     {"02 00 002a 40890005 6361726f6c 408a0003 707764", "02 00 0000 00010004 0a090001 c08b04d2"},
	PayloadCERT:     {"04 3082"},
	PayloadCR:       {"04"},
}

func seedDatagrams(t testing.TB) (datagrams [][]byte) {
	for _, tr := range loadTraces(t) {
		for i := range min(len(tr.Packets), 6) {
			datagrams = append(datagrams, tr.datagram(t, i))
		}
	}
	return datagrams
}

func FuzzParseSA(f *testing.F)          { fuzzBody(f, PayloadSA, ParseSA) }
func FuzzParseID(f *testing.F)          { fuzzBody(f, PayloadID, ParseID) }
func FuzzParseCert(f *testing.F)        { fuzzBody(f, PayloadCERT, ParseCert) }
func FuzzParseCertRequest(f *testing.F) { fuzzBody(f, PayloadCR, ParseCertRequest) }
func FuzzParseNotify(f *testing.F)      { fuzzBody(f, PayloadN, ParseNotify) }
func FuzzParseDelete(f *testing.F)      { fuzzBody(f, PayloadD, ParseDelete) }
func FuzzParseConfig(f *testing.F)      { fuzzBody(f, PayloadAttr, ParseConfig) }
func FuzzParseNATOA(f *testing.F)       { fuzzBody(f, PayloadNATOA, ParseNATOA) }
func FuzzParseFragment(f *testing.F)    { fuzzBody(f, PayloadFragment, ParseFragment) }

func FuzzParseAttributes(f *testing.F) {
	f.Add(unhex(f, "800b0001 000c0004 00015180"))
	f.Fuzz(func(t *testing.T, b []byte) {
		as, err := ParseAttributes(b)
		if err == nil && !bytes.Equal(AppendAttributes(nil, as), b) { // no octet is reserved
			t.Fatalf("%x re-appends as %x", b, AppendAttributes(nil, as))
		}
	})
}

func FuzzDatagram(f *testing.F) {
	for _, d := range seedDatagrams(f) {
		f.Add(d)
	}
	f.Add(unhex(f, message))
	f.Fuzz(checkDatagram)
}

// checkDatagram holds for any octets that come.
func checkDatagram(t *testing.T, datagram []byte) {
	before := bytes.Clone(datagram)
	if line := describe(datagram); line == "" || bytes.ContainsRune([]byte(line), '\n') {
		t.Fatalf("reads %q", line)
	}
	if !bytes.Equal(before, datagram) {
		t.Fatal("reading changed the datagram")
	}
	h, err := ParseHeader(datagram)
	if err != nil {
		return
	}
	chain := datagram[HeaderLen:h.Length]
	if ps, rest, err := ParseChain(h.Next, chain); err == nil {
		if len(ps) > MaxPayloads {
			t.Fatalf("%d payloads", len(ps))
		}
		if n := len(AppendChain(nil, ps)) + len(rest); n != len(chain) {
			t.Fatalf("%d octets of %d are accounted for", n, len(chain))
		}
	}
	_, ps, err := ParseMessage(datagram)
	if err != nil {
		return
	}
	canonical := AppendMessage(nil, h, ps)
	h2, ps2, err := ParseMessage(canonical)
	if err != nil || h2 != h {
		t.Fatalf("%x appends as %x: %v", datagram, canonical, err)
	}
	if diff := cmp.Diff(ps, ps2); diff != "" {
		t.Fatalf("parsed again (-first +second):\n%s", diff)
	}
	if err := CheckSize(ps); len(datagram) <= MaxDatagram && err != nil {
		t.Fatal(err)
	}
}

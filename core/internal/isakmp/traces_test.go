package isakmp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A trace is one recorded session of two strongSwan daemons: their packets and
// what the initiator said and computed (see ../testdata/ikev1-traces/README.md).
type trace struct {
	name    string
	Packets []struct {
		From  string
		DPort int
		Hex   string
	}
	Values []struct{ Event, Name, Hex string } `json:"initiator_values"`
}

func loadTraces(t testing.TB) (traces []trace) {
	t.Helper()
	files, err := filepath.Glob("../testdata/ikev1-traces/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tr := trace{name: strings.TrimSuffix(filepath.Base(f), ".json")}
		if err := json.Unmarshal(b, &tr); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		traces = append(traces, tr)
	}
	return traces
}

// datagram is packet i without the non-ESP marker of port 4500 (RFC 3948 §2.2).
func (tr trace) datagram(t testing.TB, i int) []byte {
	b := unhex(t, tr.Packets[i].Hex)
	if tr.Packets[i].DPort == 4500 {
		b = b[4:]
	}
	return b
}

func (tr trace) value(t testing.TB, name string) []byte {
	t.Helper()
	for _, v := range tr.Values {
		if v.Name == name {
			return unhex(t, v.Hex)
		}
	}
	t.Fatalf("%s: no value %q", tr.name, name)
	return nil
}

func TestTracePacketsAreAppendedAsTheyCame(t *testing.T) {
	for _, tr := range loadTraces(t) {
		t.Run(tr.name, func(t *testing.T) {
			for i := range tr.Packets {
				datagram := tr.datagram(t, i)
				h, err := ParseHeader(datagram)
				if err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
				var again []byte
				if h.Flags&FlagEncryption != 0 {
					again = append(h.Append(nil), datagram[HeaderLen:]...)
				} else {
					h, ps, err := ParseMessage(datagram)
					if err != nil {
						t.Fatalf("packet %d: %v", i, err)
					}
					again = AppendMessage(nil, h, reappend(t, ps))
				}
				if diff := cmp.Diff(datagram, again); diff != "" {
					t.Errorf("packet %d (-received +appended):\n%s", i, diff)
				}
			}
		})
	}
}

// reappend parses every body and makes it anew.
func reappend(t *testing.T, ps []Payload) []Payload {
	t.Helper()
	out := make([]Payload, len(ps))
	for i, p := range ps {
		out[i] = p
		v, err := p.parse()
		if err != nil {
			t.Errorf("payload %d, %v: %v", i, p.Type, err)
		}
		if x, ok := v.(typed); ok {
			out[i].Body = x.Append(nil)
		}
	}
	return out
}

// What strongSwan reported to have sent and read is the independent reading
// of each message, sealed or in fragments.
func TestTraceMessagesReadAsThePeerReadThem(t *testing.T) {
	event := regexp.MustCompile(`^(generating|parsed) (\w+) \w+ (\d+) \[ (.*) \]$`)
	for _, tr := range loadTraces(t) {
		t.Run(tr.name, func(t *testing.T) {
			want := map[string][]string{}
			for _, v := range tr.Values {
				if m := event.FindStringSubmatch(v.Event); m != nil && !strings.HasPrefix(m[4], "FRAG") {
					from := map[string]string{"generating": "a", "parsed": "b"}[m[1]]
					want[from] = append(want[from], fmt.Sprintf("%s %s [ %s ]", strings.TrimSuffix(m[2], "_V1"), m[3], m[4]))
				}
			}
			got := map[string][]string{}
			for _, m := range tr.open(t) {
				got[m.from] = append(got[m.from], m.asStrongSwan(t))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("messages (-strongSwan +we):\n%s", diff)
			}
		})
	}
}

// A message of a trace, put together and deciphered.
type traceMessage struct {
	from string
	Header
	ps []Payload
}

// open reads all messages of a trace with the key it tells.
func (tr trace) open(t *testing.T) (ms []traceMessage) {
	t.Helper()
	var sealed *opener
	var fragments []byte
	for i, p := range tr.Packets {
		datagram := tr.datagram(t, i)
		h, err := ParseHeader(datagram)
		if err != nil {
			t.Fatal(err)
		}
		if h.Next == PayloadFragment {
			_, ps, err := ParseMessage(datagram)
			if err != nil {
				t.Fatal(err)
			}
			f, err := ParseFragment(ps[0].Body)
			if err != nil {
				t.Fatal(err)
			}
			if fragments = append(fragments, f.Data...); !f.Last {
				continue
			}
			datagram, fragments = fragments, nil
			if h, err = ParseHeader(datagram); err != nil {
				t.Fatal(err)
			}
		}
		chain := datagram[HeaderLen:]
		if h.Flags&FlagEncryption != 0 {
			chain = sealed.open(h.MessageID, chain)
		}
		ps, rest, err := ParseChain(h.Next, chain)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if again := append(AppendChain(nil, reappend(t, ps)), rest...); !bytes.Equal(again, chain) {
			t.Errorf("packet %d: chain re-appends as %x, want %x", i, again, chain)
		}
		if ps[0].Type == PayloadSA && p.From == "b" && sealed == nil {
			sealed = newOpener(t, tr, ps[0].Body)
		}
		ms = append(ms, traceMessage{p.From, h, ps})
	}
	return ms
}

// An opener deciphers the messages of one ISAKMP SA in their order: RFC 2409
// appendix B, with crypto of the standard library only.
type opener struct {
	block cipher.Block
	hash  func() hash.Hash
	ivs   map[uint32][]byte
}

// newOpener takes cipher and hash from the responder's choice.
func newOpener(t *testing.T, tr trace, body []byte) *opener {
	t.Helper()
	sa, err := ParseSA(body)
	if err != nil {
		t.Fatal(err)
	}
	o := opener{ivs: map[uint32][]byte{0: tr.value(t, "initial IV")}}
	for _, a := range sa.Proposals[0].Transforms[0].Attrs {
		v, _ := a.Uint()
		switch {
		case a.Type == AttrEncryption && v == EncAES:
			o.block, err = aes.NewCipher(tr.value(t, "encryption key Ka"))
		case a.Type == AttrEncryption && v == Enc3DES:
			o.block, err = des.NewTripleDESCipher(tr.value(t, "encryption key Ka"))
		case a.Type == AttrHash:
			o.hash = map[uint64]func() hash.Hash{HashMD5: md5.New, HashSHA1: sha1.New, HashSHA256: sha256.New, HashSHA512: sha512.New}[v]
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &o
}

func (o *opener) open(messageID uint32, sealed []byte) []byte {
	iv := o.ivs[messageID]
	if iv == nil {
		h := o.hash()
		h.Write(o.ivs[0])
		h.Write(binary.BigEndian.AppendUint32(nil, messageID))
		iv = h.Sum(nil)[:o.block.BlockSize()]
	}
	clear := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(clear, sealed)
	o.ivs[messageID] = sealed[len(sealed)-o.block.BlockSize():]
	return clear
}

// asStrongSwan is the line of its log.
func (m traceMessage) asStrongSwan(t *testing.T) string {
	names := map[PayloadType]string{PayloadNONCE: "No", PayloadVID: "V", PayloadCR: "CERTREQ"}
	notifies := map[NotifyType]string{NotifyInitialContact: "INITIAL_CONTACT", NotifyInvalidIDInformation: "INVAL_ID",
		NotifyRUThere: "DPD", NotifyRUThereAck: "DPD_ACK"}
	configs := map[ConfigType]string{ConfigRequest: "CPRQ", ConfigReply: "CPRP", ConfigSet: "CPS", ConfigAck: "CPA"}
	attrs := map[uint16]string{CfgXAuthUserName: "X_USER", CfgXAuthUserPassword: "X_PWD", CfgXAuthStatus: "X_STATUS",
		CfgIP4Address: "ADDR", CfgIP4DNS: "DNS"}
	var s []string
	for _, p := range m.ps {
		name := p.Type.String()
		if n := names[p.Type]; n != "" {
			name = n
		}
		v, err := p.parse()
		if err != nil {
			t.Fatal(err)
		}
		switch v := v.(type) {
		case Notify:
			name += "(" + notifies[v.Type] + ")"
		case Config:
			var list []string
			for _, a := range v.Attrs {
				list = append(list, attrs[a.Type])
			}
			name = configs[v.Type] + "(" + strings.Join(list, " ") + ")"
		}
		s = append(s, name)
	}
	return fmt.Sprintf("%v %d [ %s ]", m.Exchange, m.MessageID, strings.Join(s, " "))
}

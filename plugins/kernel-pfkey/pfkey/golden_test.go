package pfkey

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

var update = flag.Bool("update", false, "write testdata/golden.txt")

// canonical are messages that between them have every structure we send.
func canonical(s *System) []struct {
	name string
	b    []byte
	err  error
} {
	peer6, own6 := netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::1")
	key := func(id uint16, n int) *kernel.AlgKey {
		k := make([]byte, n)
		for i := range k {
			k[i] = byte(0x10 + i)
		}
		return &kernel.AlgKey{ID: id, Key: secret.New(k)}
	}
	life := kernel.Lifetime{SoftTime: 2880 * time.Second, HardTime: 3600 * time.Second, SoftBytes: 1 << 33, HardBytes: 1 << 34}
	esp := func(f func(*kernel.SA)) *kernel.SA {
		sa := &kernel.SA{
			Key: kernel.Key{Src: peer, Dst: own, SPI: 0xc0ffee01, Proto: protoESP}, ReqID: 16385, Seq: 9, Mode: kernel.ModeTunnel, Dir: kernel.In,
			Encr: key(12, 16), Auth: key(2, 20), Life: life,
		}
		f(sa)
		return sa
	}
	sel := kernel.Selector{Src: netip.MustParsePrefix("10.1.2.3/24"), Dst: netip.MustParsePrefix("10.2.0.0/16"), Proto: 17, SrcPort: 53, DstPort: 5353}
	sel6 := kernel.Selector{Src: netip.MustParsePrefix("2001:db8:1::/64"), Dst: netip.MustParsePrefix("::/0")}
	tunnel := kernel.Template{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelRequire, Src: own, Dst: peer}
	unique6 := kernel.Template{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 0x1234, Src: own6, Dst: peer6}
	var list []struct {
		name string
		b    []byte
		err  error
	}
	add := func(name string, b []byte, err error) {
		list = append(list, struct {
			name string
			b    []byte
			err  error
		}{name, b, err})
	}
	sa := func(name string, typ uint8, f func(*kernel.SA)) {
		b, err := s.encodeSA(typ, esp(f))
		add(name, b, err)
	}
	policy := func(name string, typ uint8, p kernel.Policy) {
		b, err := s.encodePolicy(typ, &p)
		add(name, b, err)
	}
	add("REGISTER esp", s.message(msgRegister, saTypeESP, 1).bytes(), nil)
	b, err := s.encodeGetSPI(kernel.SPIRequest{Src: peer, Dst: own, Proto: protoESP, Min: 0x1000, Max: 0x1fff, ReqID: 5, Seq: 9})
	add("GETSPI esp", b, err)
	b, err = s.encodeGetSPI(kernel.SPIRequest{Src: peer6, Dst: own6, Proto: protoIPComp})
	add("GETSPI ipcomp, IPv6, any", b, err)
	sa("UPDATE esp aes-cbc hmac-sha1", msgUpdate, func(*kernel.SA) {})
	sa("ADD esp hmac-sha256, IPv6, outbound", msgAdd, func(sa *kernel.SA) {
		sa.Key.Src, sa.Key.Dst, sa.Dir, sa.Auth = own6, peer6, kernel.Out, key(5, 32)
	})
	sa("UPDATE esp in udp, inbound", msgUpdate, func(sa *kernel.SA) { sa.Encap = &kernel.Encap{SrcPort: 30001, DstPort: 4500} })
	sa("ADD esp in udp, outbound, transport mode, original address", msgAdd, func(sa *kernel.SA) {
		sa.Key.Src, sa.Key.Dst, sa.Dir, sa.Mode = own, peer, kernel.Out, kernel.ModeTransport
		sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 30001, OrigDst: netip.MustParseAddr("192.168.1.2")}
	})
	sa("ADD esp null hmac-md5", msgAdd, func(sa *kernel.SA) { sa.Encr, sa.Auth = &kernel.AlgKey{ID: ipsec.Null}, key(1, 16) })
	sa("ADD esp 3des without authentication", msgAdd, func(sa *kernel.SA) { sa.Encr, sa.Auth = key(3, 24), nil })
	sa("ADD esp aes-gcm-16", msgAdd, func(sa *kernel.SA) { sa.Encr, sa.Auth = key(20, 20), nil })
	sa("ADD ah hmac-sha512, transport mode", msgAdd, func(sa *kernel.SA) {
		sa.Key.Proto, sa.Mode, sa.Encr, sa.Auth = protoAH, kernel.ModeTransport, nil, key(2, 20)
	})
	sa("ADD ipcomp deflate", msgAdd, func(sa *kernel.SA) {
		sa.Key.Proto, sa.Key.SPI, sa.Encr, sa.Auth, sa.Comp = protoIPComp, 0x1234, nil, nil, deflate
	})
	sa("ADD with a replay window of 2048", msgAdd, func(sa *kernel.SA) { sa.ReplayWindow = 2048 })
	sa("ADD with limits in packets", msgAdd, func(sa *kernel.SA) { sa.Life.SoftPackets, sa.Life.HardPackets = 80, 100 })
	sa("ADD in BEET mode", msgAdd, func(sa *kernel.SA) { sa.Mode = kernel.ModeBEET })
	b, err = s.encodeSAID(msgDelete, esp(func(*kernel.SA) {}).Key)
	add("DELETE", b, err)
	b, err = s.encodeSAID(msgGet, kernel.Key{Dst: own6, SPI: 0x1234, Proto: protoIPComp})
	add("GET ipcomp, IPv6", b, err)
	policy("SPDADD tunnel, ports, priority", msgSPDAdd, kernel.Policy{
		Key: kernel.PolicyKey{Dir: kernel.Out, Sel: sel}, Action: kernel.ActionIPsec, Priority: -5, Templates: []kernel.Template{tunnel}})
	policy("SPDUPDATE bundle, unique, IPv6, lifetime", msgSPDUpdate, kernel.Policy{
		Key: kernel.PolicyKey{Dir: kernel.In, Sel: sel6}, Action: kernel.ActionIPsec, Life: kernel.Lifetime{HardTime: time.Hour},
		Templates: []kernel.Template{{Proto: protoIPComp, Mode: kernel.ModeTransport, Level: kernel.LevelUse}, unique6, {Proto: protoAH, Mode: kernel.ModeTransport, Level: kernel.LevelDefault}}})
	policy("SPDADD discard", msgSPDAdd, kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.In, Sel: sel}, Action: kernel.ActionDiscard})
	policy("SPDADD none", msgSPDAdd, kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Out, Sel: sel6}, Action: kernel.ActionNone})
	policy("SPDADD forward", msgSPDAdd, kernel.Policy{
		Key: kernel.PolicyKey{Dir: kernel.Fwd, Sel: sel}, Action: kernel.ActionIPsec, Templates: []kernel.Template{tunnel}})
	policy("SPDADD IPv6 in IPv4", msgSPDAdd, kernel.Policy{
		Key: kernel.PolicyKey{Dir: kernel.Out, Sel: sel6}, Action: kernel.ActionIPsec, Templates: []kernel.Template{tunnel}})
	b, err = s.encodePolicyID(kernel.PolicyKey{Dir: kernel.Out, Sel: sel})
	add("SPDDELETE", b, err)
	b, err = s.encodePolicyIndex(msgSPDDelete2, kernel.PolicyKey{Dir: kernel.Out, ID: 0x101})
	add("SPDDELETE2", b, err)
	add("bypass in", s.bypassPolicy(kernel.In), nil)
	return list
}

// names of extensions in the golden file; 20 and up are the system's own.
var extNames = map[uint16]string{
	extSA: "SA", extLifetimeHard: "LIFETIME_HARD", extLifetimeSoft: "LIFETIME_SOFT", extAddressSrc: "ADDRESS_SRC", extAddressDst: "ADDRESS_DST",
	extKeyAuth: "KEY_AUTH", extKeyEncrypt: "KEY_ENCRYPT", extSPIRange: "SPIRANGE", extPolicy: "X_POLICY", extSA2: "X_SA2",
}

// isMessage tells a message from the value of a socket option.
func isMessage(b []byte) bool { return len(b) > sizePolicy || b[2] == 0 }

// dissect prints a message, one extension a line.
func dissect(b []byte) string {
	var out strings.Builder
	if isMessage(b) {
		fmt.Fprintf(&out, "    %-14s %x\n", "header", b[:sizeHeader])
		b = b[sizeHeader:]
	}
	for len(b) > 0 {
		n, typ := int(native.Uint16(b))*8, native.Uint16(b[2:])
		name := extNames[typ]
		if name == "" {
			name = fmt.Sprint("extension ", typ)
		}
		fmt.Fprintf(&out, "    %-14s %s\n", name, hex.EncodeToString(b[:n]))
		b = b[n:]
	}
	return out.String()
}

// TestMessagesAreAsRecorded compares what we send on every system with what was
// reviewed. The octets are of a little-endian machine.
func TestMessagesAreAsRecorded(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the record is of a little-endian machine")
	}
	const file = "testdata/golden.txt"
	var out bytes.Buffer
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		for _, m := range canonical(&s) {
			fmt.Fprintf(&out, "%s: %s\n", s.Name, m.name)
			if m.err != nil {
				fmt.Fprintf(&out, "    %v\n", m.err)
				continue
			}
			out.WriteString(dissect(m.b))
		}
	}
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(wanted)) {
		if got[i] != wanted[i] {
			t.Fatalf("line %d:\n got %s\nwant %s", i+1, got[i], wanted[i])
		}
	}
	if len(got) != len(wanted) {
		t.Errorf("%d lines, want %d", len(got), len(wanted))
	}
}

// What we write we can read, on every system.
func TestMessagesComeBackAsTheyWent(t *testing.T) {
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		for _, c := range canonical(&s) {
			if c.err != nil || !isMessage(c.b) {
				continue
			}
			m, err := s.parse(c.b)
			if err != nil {
				t.Errorf("%s: %s: %v", s.Name, c.name, err)
				continue
			}
			switch m.typ {
			case msgAdd, msgUpdate:
				c.b[sizeHeader+saState] = stateMature
				o, ok, err := m.decodeSA(time.Unix(0, 0), true)
				if err != nil || !ok {
					t.Errorf("%s: %s: %v", s.Name, c.name, err)
					continue
				}
				o.SA.Seq = m.seq
				if o.SA.Encap != nil && s.NATT.Flag != 0 { // one port only, the peer's
					o.SA.Encap.DstPort, o.SA.Dir = o.SA.Encap.SrcPort, kernel.Out
				}
				again, err := s.encodeSA(m.typ, o.SA)
				again = reread(again, c.b)
				if err != nil || !bytes.Equal(again, c.b) {
					t.Errorf("%s: %s: %v\n%s\n%s", s.Name, c.name, err, dissect(again), dissect(c.b))
				}
			case msgSPDAdd, msgSPDUpdate:
				p, _, ok, err := m.decodePolicy()
				if err != nil || !ok {
					t.Errorf("%s: %s: %v", s.Name, c.name, err)
					continue
				}
				again, err := s.encodePolicy(m.typ, p)
				if err != nil || !bytes.Equal(again, c.b) {
					t.Errorf("%s: %s: %v\n%s\n%s", s.Name, c.name, err, dissect(again), dissect(c.b))
				}
			}
		}
	}
}

// reread makes of b, a message made anew, what want is where the difference is known:
// the state, and the original address that no dump has.
func reread(b, want []byte) []byte {
	if b == nil {
		return nil
	}
	b[sizeHeader+saState] = stateMature
	if len(b) < len(want) && native.Uint16(want[len(b)+2:]) >= 23 {
		b = append(b, want[len(b):]...)
		copy(b[hdrLen:], want[hdrLen:hdrLen+2])
	}
	return b
}

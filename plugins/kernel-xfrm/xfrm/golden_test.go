//go:build linux

package xfrm

import (
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// A golden is a message that iproute2 sent; see testdata/golden.sh.
type golden struct {
	command string
	message string // XFRM_MSG_...
	body    []byte
}

func readGolden(t testing.TB) map[string]golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]golden)
	lines := strings.Split(string(text), "\n")
	for ; len(lines) >= 4; lines = lines[4:] {
		body, err := hex.DecodeString(strings.TrimSpace(lines[3]))
		if err != nil {
			t.Fatalf("%s: %v", lines[0], err)
		}
		m[lines[0]] = golden{strings.TrimSpace(lines[1]), strings.TrimSpace(lines[2]), body}
	}
	return m
}

// counting is a key of n octets 0, 1, 2, ...
func counting(id uint16, n int, trunc uint16) *kernel.AlgKey {
	key := make([]byte, n)
	for i := range key {
		key[i] = byte(i)
	}
	return &kernel.AlgKey{ID: id, Key: secret.New(key), Trunc: trunc}
}

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

var (
	v4a, v4b = addr("192.0.2.1"), addr("192.0.2.2")
	v6a, v6b = addr("2001:db8::1"), addr("2001:db8::2")
)

// goldenSAs are the SAs of testdata/golden.sh. SAs with a window there are
// inbound here.
func goldenSAs() map[string]*kernel.SA {
	return map[string]*kernel.SA{
		"esp-aes-sha256-tunnel": {
			Key: kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee01}, ReqID: 7,
			Mode: kernel.ModeTunnel, Dir: kernel.In, ReplayWindow: 32,
			Encr: counting(12, 16, 0), Auth: counting(5, 32, 0),
			Life: kernel.Lifetime{
				SoftTime: 48 * time.Minute, HardTime: time.Hour, SoftBytes: 1000, HardBytes: 2000, SoftPackets: 30, HardPackets: 40,
			},
		},
		"esp-gcm-transport-natt": {
			Key: kernel.Key{
				Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee02, Mark: &kernel.Mark{Value: 5, Mask: 0xff}, IfID: 3,
			},
			ReqID: 8, Mode: kernel.ModeTransport, Dir: kernel.In, ReplayWindow: 32,
			Encr: counting(20, 20, 0), OutputMark: &kernel.Mark{Value: 9, Mask: 0xf},
			Encap: &kernel.Encap{SrcPort: 4500, DstPort: 30033, OrigDst: addr("10.0.0.1")},
			Sel: &kernel.Selector{
				Src: prefix("192.0.2.1/32"), Dst: prefix("192.0.2.2/32"), Proto: 17, SrcPort: 1701, DstPort: 1701,
			},
		},
		"esp-gcm8-out": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee03},
			Mode: kernel.ModeTransport, Dir: kernel.Out, ReplayWindow: 64,
			Encr: counting(18, 20, 0),
		},
		"esp-ctr-sha512-esn": {
			Key: kernel.Key{Src: v6a, Dst: v6b, Proto: protoESP, SPI: 0xc0ffee04}, ReqID: 9,
			Mode: kernel.ModeTunnel, Dir: kernel.In, ReplayWindow: 128, ESN: true,
			Encr: counting(13, 20, 0), Auth: counting(7, 64, 0),
		},
		"esp-3des-md5": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee05},
			Mode: kernel.ModeTransport, Dir: kernel.In, ReplayWindow: 32,
			Encr: counting(3, 24, 0), Auth: counting(1, 16, 0),
		},
		"esp-null-sha1": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee06},
			Mode: kernel.ModeTransport, Dir: kernel.In, ReplayWindow: 1, // too small: raised to 32
			Encr: counting(11, 0, 0), Auth: counting(2, 20, 96),
		},
		"esp-aes-sha256-96-update": {
			Key: kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee07}, Seq: 42,
			Mode: kernel.ModeTunnel, Dir: kernel.In, ReplayWindow: 32,
			Encr: counting(12, 32, 0), Auth: counting(5, 32, 96),
		},
		"ah-sha1-v6": {
			Key:  kernel.Key{Src: v6a, Dst: v6b, Proto: protoAH, SPI: 0xc0ffee08},
			Mode: kernel.ModeTransport, Dir: kernel.In, ReplayWindow: 32,
			Auth: counting(2, 20, 0),
		},
		"esp-window-64": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee09},
			Mode: kernel.ModeTransport, Dir: kernel.In, ReplayWindow: 64,
			Encr: counting(12, 16, 0), Auth: counting(2, 20, 0),
		},
		"esp-beet-natt": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee0a},
			Mode: kernel.ModeBEET, Dir: kernel.In, ReplayWindow: 32,
			Encr: counting(12, 16, 0), Auth: counting(5, 32, 0),
			Encap: &kernel.Encap{SrcPort: 4500, DstPort: 4500},
			Sel:   &kernel.Selector{Src: prefix("10.1.0.1/32"), Dst: prefix("10.2.0.1/32")},
		},
		"ah-sha256-tunnel": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoAH, SPI: 0xc0ffee0b},
			Mode: kernel.ModeTunnel, Dir: kernel.In, ReplayWindow: 32,
			Auth: counting(5, 32, 96),
		},
		"comp-deflate": {
			Key:  kernel.Key{Src: v4a, Dst: v4b, Proto: protoIPComp, SPI: 0x1001},
			Mode: kernel.ModeTunnel, Dir: kernel.In, Comp: 2,
		},
	}
}

func goldenPolicies() map[string]*kernel.Policy {
	tunnel := func(src, dst netip.Addr, level uint8) []kernel.Template {
		return []kernel.Template{{Proto: protoESP, Mode: kernel.ModeTunnel, Level: level, ReqID: 7, Src: src, Dst: dst}}
	}
	return map[string]*kernel.Policy{
		"policy-out-tunnel": {
			Key: kernel.PolicyKey{
				Dir: kernel.Out, ID: 99, // the kernel's to choose
				Sel: kernel.Selector{Src: prefix("10.1.0.0/16"), Dst: prefix("10.2.0.0/16")},
			},
			Action: kernel.ActionIPsec, Templates: tunnel(v4a, v4b, kernel.LevelUnique),
		},
		"policy-fwd-update": {
			Key: kernel.PolicyKey{
				Dir: kernel.Fwd, Sel: kernel.Selector{Src: prefix("10.2.0.0/16"), Dst: prefix("10.1.0.0/16")},
				Mark: &kernel.Mark{Value: 5, Mask: 0xff}, IfID: 3,
			},
			Action: kernel.ActionIPsec, Priority: 1000 - 1<<31, Templates: tunnel(v4b, v4a, kernel.LevelUse),
		},
		"policy-in-transport": {
			Key: kernel.PolicyKey{
				Dir: kernel.In,
				Sel: kernel.Selector{Src: prefix("192.0.2.2/32"), Dst: prefix("192.0.2.1/32"), Proto: 6, SrcPort: 80},
			},
			Action: kernel.ActionIPsec, Priority: 5 - 1<<31, Life: kernel.Lifetime{HardTime: time.Minute},
			Templates: []kernel.Template{
				{Proto: protoIPComp, Mode: kernel.ModeTransport, Level: kernel.LevelUse},
				{Proto: protoAH, Mode: kernel.ModeTransport, Level: kernel.LevelUnique, ReqID: 8},
			},
		},
		"policy-bundle-mixed": {
			Key: kernel.PolicyKey{
				Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("2001:db8:1::/48"), Dst: prefix("2001:db8:3::/48")},
			},
			Action: kernel.ActionIPsec,
			Templates: []kernel.Template{
				{Proto: protoIPComp, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 1, Src: v4a, Dst: v4b},
				{Proto: protoESP, Mode: kernel.ModeTransport, Level: kernel.LevelUnique, ReqID: 2, Src: v4a, Dst: v4b},
				{Proto: protoAH, Mode: kernel.ModeTransport, Level: kernel.LevelUnique, ReqID: 3, Src: v4a, Dst: v4b},
			},
		},
		"policy-beet-update": {
			Key: kernel.PolicyKey{
				Dir: kernel.In, Sel: kernel.Selector{Src: prefix("10.2.0.1/32"), Dst: prefix("10.1.0.1/32")},
			},
			Action: kernel.ActionIPsec, Priority: 7 - 1<<31,
			Templates: []kernel.Template{
				{Proto: protoESP, Mode: kernel.ModeBEET, Level: kernel.LevelUnique, ReqID: 2, Src: v4b, Dst: v4a},
			},
		},
		"policy-block": {
			Key: kernel.PolicyKey{
				Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("2001:db8:1::/48"), Dst: prefix("2001:db8:2::/48")},
			},
			Action: kernel.ActionDiscard, Priority: -1,
		},
		"policy-none": {
			Key: kernel.PolicyKey{
				Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("0.0.0.0/0"), Dst: prefix("192.0.2.0/24")},
			},
			Action: kernel.ActionNone, Priority: -1 << 31,
		},
	}
}

// sizes are those of the structures at the head of the messages.
var sizes = map[string]int{
	"XFRM_MSG_NEWSA": sizeSAInfo, "XFRM_MSG_UPDSA": sizeSAInfo, "XFRM_MSG_DELSA": sizeSAID, "XFRM_MSG_GETSA": sizeSAID,
	"XFRM_MSG_ALLOCSPI": sizeSPIInfo, "XFRM_MSG_NEWPOLICY": sizePolicyInfo, "XFRM_MSG_UPDPOLICY": sizePolicyInfo,
	"XFRM_MSG_DELPOLICY": sizePolicyID, "XFRM_MSG_FLUSHSA": sizeFlushSA, "XFRM_MSG_FLUSHPOLICY": 0,
}

var types = map[string]netlink.HeaderType{
	"XFRM_MSG_NEWSA": msgNewSA, "XFRM_MSG_UPDSA": msgUpdSA, "XFRM_MSG_DELSA": msgDelSA, "XFRM_MSG_GETSA": msgGetSA,
	"XFRM_MSG_ALLOCSPI": msgAllocSPI, "XFRM_MSG_NEWPOLICY": msgNewPolicy, "XFRM_MSG_UPDPOLICY": msgUpdPolicy,
	"XFRM_MSG_DELPOLICY": msgDelPolicy, "XFRM_MSG_FLUSHSA": msgFlushSA, "XFRM_MSG_FLUSHPOLICY": msgFlushPolicy,
}

// A message in a form that can be compared: the order of attributes is free, and
// ip names an SA by its source as well, which the kernel does not look at.
type message struct {
	Type  netlink.HeaderType
	Head  string
	Attrs map[uint16]string
}

func parseMessage(t testing.TB, typ netlink.HeaderType, body []byte, size int) message {
	t.Helper()
	if len(body) < size {
		t.Fatalf("body of %d octets, want at least %d", len(body), size)
	}
	m := message{Type: typ, Head: hex.EncodeToString(body[:size]), Attrs: make(map[uint16]string)}
	if len(body) == size {
		return m
	}
	err := eachAttr(body[size:], func(typ uint16, data []byte) error {
		const srcAddr = 13 // XFRMA_SRCADDR
		if typ != srcAddr {
			m.Attrs[typ] = hex.EncodeToString(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (g golden) parse(t testing.TB) message {
	// What ip does otherwise than we, and why we are right: it has the sequence
	// number of an acquire in network order in its messages and in its output,
	// where the kernel has a plain number; and it gives a selector's family where
	// an index names the policy and the kernel looks at no selector.
	switch g.message {
	case "XFRM_MSG_ALLOCSPI", "XFRM_MSG_UPDSA":
		native.PutUint32(g.body[saSeq:], big.Uint32(g.body[saSeq:]))
	case "XFRM_MSG_DELPOLICY":
		if native.Uint32(g.body[polIDIndex:]) != 0 {
			native.PutUint16(g.body[selFamily:], 0)
		}
	}
	return parseMessage(t, types[g.message], g.body, sizes[g.message])
}

// TestMessagesAreThoseOfIproute2 runs every kind of request through a backend
// whose kernel is a fake that keeps what it is sent.
func TestMessagesAreThoseOfIproute2(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("testdata/golden.txt was recorded on a little-endian machine")
	}
	policyKey := func(dir kernel.Direction, id uint32) *kernel.Policy {
		return &kernel.Policy{Key: kernel.PolicyKey{
			Dir: dir, ID: id, Mark: &kernel.Mark{Value: 5, Mask: 0xff}, IfID: 3,
			Sel: kernel.Selector{Src: prefix("10.1.0.0/16"), Dst: prefix("10.2.0.0/16")},
		}}
	}
	byIndex := policyKey(kernel.Fwd, 42)
	byIndex.Key.Mark, byIndex.Key.IfID = nil, 0
	ops := map[string]kernel.Op{
		"delete-sa":           {Kind: kernel.DeleteSA, SA: &kernel.SA{Key: kernel.Key{Dst: v4b, Proto: protoESP, SPI: 0xc0ffee01}}},
		"delete-policy":       {Kind: kernel.DeletePolicy, Policy: policyKey(kernel.Out, 0)},
		"delete-policy-index": {Kind: kernel.DeletePolicy, Policy: byIndex},
		"flush-sa":            {Kind: kernel.FlushSAs},
		"flush-policy":        {Kind: kernel.FlushPolicies},
	}
	for name, sa := range goldenSAs() {
		ops[name] = kernel.Op{Kind: kernel.AddSA, SA: sa}
		if strings.HasSuffix(name, "-update") {
			ops[name] = kernel.Op{Kind: kernel.UpdateSA, SA: sa}
		}
	}
	for name, p := range goldenPolicies() {
		ops[name] = kernel.Op{Kind: kernel.AddPolicy, Policy: p}
		if strings.HasSuffix(name, "-update") {
			ops[name] = kernel.Op{Kind: kernel.UpdatePolicy, Policy: p}
		}
	}
	calls := map[string]func(*Backend) error{
		"get-sa": func(b *Backend) error {
			_, err := b.Query(t.Context(), []kernel.Key{{Dst: v6b, Proto: protoAH, SPI: 0xc0ffee08, Mark: &kernel.Mark{Value: 5, Mask: 0xff}}})
			return err
		},
		"allocspi": func(b *Backend) error {
			res, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{
				{Src: v4b, Dst: v4a, Proto: protoESP, Min: 0x1000, Max: 0x2000, ReqID: 7, Seq: 42},
			})
			if err == nil && res[0].Err != nil {
				return res[0].Err
			}
			return err
		},
	}
	for name, op := range ops {
		calls[name] = func(b *Backend) error {
			res, err := b.Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{op}}})
			if err == nil && res[0].Ops[0].Err != nil {
				return res[0].Ops[0].Err
			}
			return err
		}
	}
	for name, g := range readGolden(t) {
		t.Run(name, func(t *testing.T) {
			call := calls[name]
			if call == nil {
				t.Fatalf("no test for %q", g.command)
			}
			k := newFakeKernel(t)
			if err := call(k.backend()); err != nil {
				t.Fatal(err)
			}
			sent := k.sent()
			if len(sent) != 1 {
				t.Fatalf("%d messages sent, want 1", len(sent))
			}
			got := parseMessage(t, sent[0].Header.Type, sent[0].Data, sizes[g.message])
			if d := cmp.Diff(g.parse(t), got); d != "" {
				t.Errorf("%s (-ip +ours)\n%s", g.command, d)
			}
		})
	}
}

// TestDumpsReadBackWhatWasSent decodes iproute2's messages: a dump has the same
// structures.
func TestDumpsReadBackWhatWasSent(t *testing.T) {
	all := readGolden(t)
	reveal := cmp.Transformer("reveal", func(b secret.Bytes) string { return hex.EncodeToString(b.Reveal()) })
	addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	for name, want := range goldenSAs() {
		t.Run(name, func(t *testing.T) {
			got, err := decodeSA(all[name].body, time.Now(), true)
			if err != nil {
				t.Fatal(err)
			}
			got.SA.Seq = want.Seq                   // in the other byte order, see golden.parse
			want.Dir, want.State = 0, kernel.Mature // iproute2 6.1 knows no direction
			if name == "esp-gcm8-out" {
				want.ReplayWindow = 0
			}
			if name == "esp-null-sha1" {
				want.ReplayWindow = 32
			}
			for _, k := range []*kernel.AlgKey{want.Encr, want.Auth} {
				if k != nil && k.Trunc == 0 {
					k.Trunc = standardICV(k, k == want.Encr)
				}
			}
			if d := cmp.Diff(want, got.SA, reveal, addrs, prefixes); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
	for name, want := range goldenPolicies() {
		t.Run(name, func(t *testing.T) {
			got, _, ok, err := decodePolicy(all[name].body)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			want.Key.ID = 0
			if d := cmp.Diff(want, got, addrs, prefixes); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func standardICV(k *kernel.AlgKey, encr bool) uint16 {
	if encr {
		return map[uint16]uint16{18: 64, 19: 96, 20: 128}[k.ID]
	}
	return map[uint16]uint16{1: 96, 2: 96, 5: 128, 6: 192, 7: 256}[k.ID]
}

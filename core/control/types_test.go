package control

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The JSON of racoonctl -j is a promise: a change here is a change for scripts.
func TestJSONNamesAreStable(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	here, there := netip.MustParseAddrPort("192.0.2.1:500"), netip.MustParseAddrPort("[2001:db8::2]:4500")
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"version", Version{"1.2", at, 3}, `{"version":"1.2","started":"2026-01-02T03:04:05Z","pid":3}`},
		{"reload", Reload{Generation: 2, Findings: []string{"f"}, Changes: Changes{Remotes: SectionChanges{Added: []string{"a"}, Removed: []string{"r"}, Changed: []string{"c"}, Kept: 3}, Others: []string{"timer"}}},
			`{"generation":2,"findings":["f"],"changes":{"remotes":{"added":["a"],"removed":["r"],"changed":["c"],"kept":3},"sainfos":{"added":null,"removed":null,"changed":null,"kept":0},"others":["timer"]}}`},
		{"plan of a reload", ReloadPlan{}, `{"findings":null,"changes":{"remotes":{"added":null,"removed":null,"changed":null,"kept":0},"sainfos":{"added":null,"removed":null,"changed":null,"kept":0},"others":null}}`},
		{"peer without anything", Peer{ISAKMP: []ISAKMPSA{}, IPsec: []IPsecSA{}, Exchanges: []Exchange{}},
			`{"section":"","local":"","remote":"","isakmp":[],"ipsec":[],"exchanges":[],"queued":0}`},
		{"peer", Peer{Section: "s", Local: here, Remote: there, User: "u", Queued: 1},
			`{"section":"s","local":"192.0.2.1:500","remote":"[2001:db8::2]:4500","user":"u","isakmp":null,"ipsec":null,"exchanges":null,"queued":1}`},
		{"ISAKMP SA", ISAKMPSA{Cookies: "a:b", Local: here, Remote: there, Initiator: true, PeerID: "p", Encryption: "e", Hash: "h", Group: "g", Since: at, Expire: at,
			Exchange: "main", NAT: "none", DPD: true},
			`{"cookies":"a:b","local":"192.0.2.1:500","remote":"[2001:db8::2]:4500","initiator":true,"peer_id":"p","encryption":"e","hash":"h","group":"g","since":"2026-01-02T03:04:05Z","expire":"2026-01-02T03:04:05Z","exchange":"main","nat":"none","dpd":true,"fragments":false}`},
		{"IPsec SA", IPsecSA{Proto: "esp", Mode: "tunnel", Local: here.Addr(), Remote: there.Addr(), SPIIn: 1, SPIOut: 0xffffffff, ReqIDIn: 2, ReqIDOut: 3,
			Encryption: "e", Auth: "a", Outbound: true, Soft: 10, Hard: 20, HardKB: 30, EncapLocal: 4500, EncapRemote: 30001,
			Selector: Selector{Local: netip.MustParsePrefix("10.0.0.0/8"), Remote: netip.MustParsePrefix("::/0"), LocalPort: 1, RemotePort: 2, Proto: 17}},
			`{"proto":"esp","mode":"tunnel","local":"192.0.2.1","remote":"2001:db8::2","selector":{"local":"10.0.0.0/8","remote":"::/0","local_port":1,"remote_port":2,"proto":17},` +
				`"spi_in":"0x00000001","spi_out":"0xffffffff","reqid_in":2,"reqid_out":3,"encryption":"e","auth":"a","initiator":false,"outbound":true,"replaced":false,"soft_seconds":10,"hard_seconds":20,"hard_kb":30,"encap_local":4500,"encap_remote":30001}`},
		{"exchange", Exchange{Exchange: "x", Cookies: "a:b", MsgID: "00000001", Step: 2, Waiting: "peer", Since: at},
			`{"exchange":"x","cookies":"a:b","msgid":"00000001","initiator":false,"step":2,"waiting":"peer","since":"2026-01-02T03:04:05Z"}`},
		{"short notice", Notice{Time: at, Event: "e", Text: "t"}, `{"time":"2026-01-02T03:04:05Z","event":"e","level":0,"text":"t"}`},
		{"notice", Notice{Time: at, Event: "e", Reason: "r", Level: 4, Text: "t", Section: "s", Local: "l", Remote: "m", Cookies: "a:b", Exchange: "x", MsgID: "1", Step: 1, Proto: "esp", SPIIn: 1, SPIOut: 2, Plugin: "p"},
			`{"time":"2026-01-02T03:04:05Z","event":"e","reason":"r","level":4,"text":"t","section":"s","local":"l","remote":"m","cookies":"a:b","exchange":"x","msgid":"1","step":1,"proto":"esp","spi_in":"0x00000001","spi_out":"0x00000002","plugin":"p"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestSPIReadsWhatItWrites(t *testing.T) {
	for _, want := range []SPI{0, 1, 0x0123abcd, 0xffffffff} {
		text, _ := want.MarshalText()
		var got SPI
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "0x", "0x1", "0x000000001", "0x0000000g", "0x00000001 ", "0X00000001", "0x0000000A"} {
		var s SPI
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}

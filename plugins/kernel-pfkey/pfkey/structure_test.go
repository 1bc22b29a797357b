package pfkey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// The messages of testdata/golden are put together from each system's structures by
// hand; see the README there for the values.
const (
	structSeq    = 0x01020304
	structPID    = 0x00c0ffee
	structReqID  = 8193
	structOwn    = 0xc0a80101
	structPeer   = 0x0badcafe
	structPolicy = 16385
)

// elsewhere is where a peer moves to.
var elsewhere = netip.MustParseAddr("198.51.100.7")

// structure reads one message, or nil if the system has none such.
func structure(t *testing.T, s System, name string) []byte {
	t.Helper()
	b, err := octets(filepath.Join("testdata", "golden", s.Name, name+".txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// octets reads a file of octets in hexadecimal with comments.
func octets(file string) (b []byte, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		more, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			return nil, err
		}
		b = append(b, more...)
	}
	return b, nil
}

func count(from byte, n int) secret.Bytes {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return secret.New(b)
}

// structSA is the SA of the recorded messages, inbound or outbound.
func structSA(dir kernel.Direction, mode uint8) *kernel.SA {
	sa := &kernel.SA{
		Key: kernel.Key{Src: peer, Dst: own, SPI: structOwn, Proto: protoESP}, ReqID: structReqID, Seq: structSeq, Mode: mode, Dir: dir,
		Encr: &kernel.AlgKey{ID: 12, Key: count(0x10, 16)}, Auth: &kernel.AlgKey{ID: 5, Key: count(0x40, 32)},
		Life: kernel.Lifetime{SoftTime: 2880 * time.Second, HardTime: time.Hour},
	}
	if dir == kernel.Out {
		sa.Key.Src, sa.Key.Dst, sa.Key.SPI = own, peer, structPeer
	}
	return sa
}

func with(sa *kernel.SA, f func(*kernel.SA)) *kernel.SA { f(sa); return sa }

func over6(sa *kernel.SA) {
	own6, peer6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	sa.Key.Src, sa.Key.Dst = peer6, own6
	if sa.Dir == kernel.Out {
		sa.Key.Src, sa.Key.Dst = own6, peer6
	}
}

func inUDP(sa *kernel.SA) {
	sa.Encap = &kernel.Encap{SrcPort: 30001, DstPort: 4500}
	if sa.Dir == kernel.Out {
		sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 30001}
	}
}

func original(sa *kernel.SA) {
	inUDP(sa)
	sa.Encap.OrigDst = netip.MustParseAddr("10.9.9.9")
}

func structPolicyOf(dir kernel.Direction) *kernel.Policy {
	ours, theirs := netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.0.0/16")
	p := &kernel.Policy{
		Key:    kernel.PolicyKey{Dir: dir, Sel: kernel.Selector{Src: ours, Dst: theirs}},
		Action: kernel.ActionIPsec,
		Templates: []kernel.Template{{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: structReqID,
			Src: own, Dst: peer}},
	}
	if dir != kernel.Out {
		p.Key.Sel.Src, p.Key.Sel.Dst = theirs, ours
		p.Templates[0].Src, p.Templates[0].Dst = peer, own
	}
	return p
}

func TestMessagesFollowTheSystemsStructures(t *testing.T) {
	in, out := kernel.In, kernel.Out
	tunnel, transport := kernel.ModeTunnel, kernel.ModeTransport
	out6 := structPolicyOf(out)
	out6.Key.Sel = kernel.Selector{Src: netip.MustParsePrefix("fd00:1::/64"), Dst: netip.MustParsePrefix("fd00:2::/64"), Proto: 6, DstPort: 443}
	out6.Templates = []kernel.Template{{Proto: protoESP, Mode: tunnel, Level: kernel.LevelRequire,
		Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2")}}
	bundle := structPolicyOf(out)
	bundle.Templates[0].Proto = protoIPComp
	bundle.Templates = append(bundle.Templates, kernel.Template{Proto: protoESP, Mode: transport, Level: kernel.LevelUnique, ReqID: structReqID})
	none := &kernel.Policy{Action: kernel.ActionNone, Key: kernel.PolicyKey{Dir: out, Sel: kernel.Selector{
		Src: netip.PrefixFrom(own, 32), Dst: netip.PrefixFrom(peer, 32), SrcPort: 500, DstPort: 500, Proto: 17}}}
	byID := kernel.PolicyKey{Dir: out, ID: structPolicy}

	type build = func(*System) ([]byte, error)
	sa := func(typ uint8, sa *kernel.SA) build {
		return func(s *System) ([]byte, error) { return s.encodeSA(typ, sa) }
	}
	policy := func(p *kernel.Policy) build {
		return func(s *System) ([]byte, error) { return s.encodePolicy(msgSPDAdd, p) }
	}
	bare := func(typ, satype uint8) build {
		return func(s *System) ([]byte, error) { return s.message(typ, satype, 0).bytes(), nil }
	}
	move := func(sa *kernel.SA) build {
		return func(s *System) ([]byte, error) {
			was, err := s.parse(structure(t, *s, "sa-dump"))
			if err != nil {
				return nil, err
			}
			there, _, err := s.encodeMoves(was, sa)
			return there, err
		}
	}
	messages := map[string]build{
		"register": bare(msgRegister, saTypeESP), "dump": bare(msgDump, 0), "flush": bare(msgFlush, 0),
		"spddump": bare(msgSPDDump, 0), "spdflush": bare(msgSPDFlush, 0),
		"getspi": func(s *System) ([]byte, error) {
			return s.encodeGetSPI(kernel.SPIRequest{Src: peer, Dst: own, Proto: protoESP, Min: 0x1000, Max: 0x0fffffff, ReqID: structReqID, Seq: structSeq})
		},
		"update-esp-tunnel4":            sa(msgUpdate, structSA(in, tunnel)),
		"update-esp-tunnel6":            sa(msgUpdate, with(structSA(in, tunnel), over6)),
		"update-esp-natt-tunnel4":       sa(msgUpdate, with(structSA(in, tunnel), inUDP)),
		"update-esp-natt-oa-transport4": sa(msgUpdate, with(structSA(in, transport), original)),
		"add-esp-tunnel4":               sa(msgAdd, structSA(out, tunnel)),
		"add-esp-tunnel6":               sa(msgAdd, with(structSA(out, tunnel), over6)),
		"add-esp-transport4":            sa(msgAdd, structSA(out, transport)),
		"add-esp-esn-tunnel4":           sa(msgAdd, with(structSA(out, tunnel), func(sa *kernel.SA) { sa.ESN = true })),
		"add-esp-natt-tunnel4":          sa(msgAdd, with(structSA(out, tunnel), inUDP)),
		"add-esp-natt-oa-transport4":    sa(msgAdd, with(structSA(out, transport), original)),
		"add-esp-gcm-transport4": sa(msgAdd, with(structSA(out, transport), func(sa *kernel.SA) {
			sa.Encr, sa.Auth = &kernel.AlgKey{ID: 20, Key: count(0x10, 20)}, nil
		})),
		"add-ah-transport4": sa(msgAdd, with(structSA(out, transport), func(sa *kernel.SA) { sa.Key.Proto, sa.Encr = protoAH, nil })),
		"add-ipcomp-tunnel4": sa(msgAdd, with(structSA(out, tunnel), func(sa *kernel.SA) {
			sa.Key.Proto, sa.Key.SPI, sa.Encr, sa.Auth, sa.Comp = protoIPComp, 0x1234, nil, nil, deflate
		})),
		"move-natt-tunnel4": move(&kernel.SA{NewSrc: own, NewDst: elsewhere, Encap: &kernel.Encap{SrcPort: 4500, DstPort: 30002}}),
		"move-ours-tunnel4": move(&kernel.SA{NewSrc: netip.MustParseAddr("192.0.2.9")}),
		"delete-esp4":       func(s *System) ([]byte, error) { return s.encodeSAID(msgDelete, structSA(in, tunnel).Key) },
		"get-esp4":          func(s *System) ([]byte, error) { return s.encodeSAID(msgGet, structSA(in, tunnel).Key) },
		"spdadd-out4":       policy(structPolicyOf(out)),
		"spdadd-in4":        policy(structPolicyOf(in)),
		"spdadd-fwd4":       policy(structPolicyOf(kernel.Fwd)),
		"spdadd-out6":       policy(out6),
		"spdadd-bundle4":    policy(bundle),
		"spdadd-none4":      policy(none),
		"spddelete-out4":    func(s *System) ([]byte, error) { return s.encodePolicyID(structPolicyOf(out).Key) },
		"spddelete2":        func(s *System) ([]byte, error) { return s.encodePolicyIndex(msgSPDDelete2, byID) },
		"acquire-refused": func(s *System) ([]byte, error) {
			return s.encodeAcquireFailed(&kernel.AcquireResult{Seq: structSeq, Errno: 2}), nil
		},
	}
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		for name, build := range messages {
			want := structure(t, s, name)
			if want == nil {
				continue
			}
			got, err := build(&s)
			if err != nil {
				t.Errorf("%s: %s: %v", s.Name, name, err)
				continue
			}
			native.PutUint32(got[hdrPID:], structPID)
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s:\n got\n%swant\n%s", s.Name, name, dissect(got), dissect(want))
			}
		}
	}
}

// What kernels say is understood.
func TestTheKernelsMessagesAreUnderstood(t *testing.T) {
	in, out := structSA(kernel.In, kernel.ModeTunnel).Key, structSA(kernel.Out, kernel.ModeTunnel).Key
	asking := &kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Out, ID: structPolicy}, Action: kernel.ActionIPsec}
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		read := func(name string) *received {
			b := structure(t, s, name)
			if b == nil {
				return nil
			}
			m, err := s.parse(b)
			if err != nil {
				t.Fatalf("%s: %s: %v", s.Name, name, err)
			}
			return m
		}
		for name, want := range map[string]kernel.Event{
			"expire-soft": {Kind: kernel.ExpireSoft, Key: in},
			"expire-hard": {Kind: kernel.ExpireHard, Key: in},
			"new-mapping": {Kind: kernel.Mapping, Key: kernel.Key{Src: peer, SPI: structOwn, Proto: protoESP}, NewRemote: netip.MustParseAddrPort("198.51.100.7:30002")},
			"acquire":     {Kind: kernel.Acquire, AcquireSeq: structSeq, Key: kernel.Key{Src: own, Dst: peer, Proto: protoESP}, Policy: asking},
		} {
			m := read(name)
			if m == nil {
				continue
			}
			got, err := m.event(by(1), 0)
			if err != nil {
				t.Fatalf("%s: %s: %v", s.Name, name, err)
			}
			if name == "acquire" {
				if len(got.Proposals) != 2 || got.Proposals[0].Encr != 12 || got.Proposals[0].Auth != 5 || got.Proposals[1].Encr != 3 || got.Proposals[1].Auth != 2 ||
					got.Proposals[1].EncrBits != 192 || got.Proposals[0].Life.HardTime != 24*time.Hour {
					t.Errorf("%s: proposals %+v", s.Name, got.Proposals)
				}
				got.Proposals = nil
			}
			if d := cmp.Diff(want, got, ofEvents); d != "" {
				t.Errorf("%s: %s: %s", s.Name, name, d)
			}
		}
		if key, err := read("getspi-answer").saKey(); err != nil || key != in {
			t.Errorf("%s: GETSPI: %+v, %v", s.Name, key, err)
		}
		sup := read("supported")
		var reg registered
		if err := reg.add(sup); err != nil || len(reg.auth) == 0 {
			t.Errorf("%s: %+v, %v", s.Name, reg, err)
		}
		if algs := s.algorithms(reg.encr, reg.auth, false); len(algs) != len(reg.encr)+len(reg.auth) {
			t.Errorf("%s: of %+v we know %+v", s.Name, reg, algs)
		}
		o, ok, err := read("sa-dump").decodeSA(time.Unix(1700000100, 0), true)
		if err != nil || !ok || o.SA.Key != out || o.SA.State != kernel.Mature || o.SA.ReqID != structReqID || o.SA.Mode != kernel.ModeTunnel ||
			o.SA.Encr.ID != 12 || o.SA.Auth.ID != 5 || o.SA.Auth.Trunc != map[bool]uint16{true: 96, false: 128}[s.Name == "linux"] ||
			!bytes.Equal(o.SA.Encr.Key.Reveal(), count(0x10, 16).Reveal()) || o.SA.Life.HardTime != time.Hour || o.SA.Life.SoftTime != 2880*time.Second ||
			o.SA.ReplayWindow != 32 || o.Stats.Bytes != 252 || o.Stats.Packets != 3 || o.SA.Current.HardTime != 100*time.Second {
			t.Errorf("%s: %+v %+v, %v", s.Name, o.SA, o.Stats, err)
		}
		ports := kernel.Encap{SrcPort: 4500, DstPort: 30001}
		if s.NATT.Flag != 0 { // there is one port
			ports = kernel.Encap{SrcPort: 30001}
		}
		if o.SA.Encap == nil || *o.SA.Encap != ports {
			t.Errorf("%s: encapsulation %+v", s.Name, o.SA.Encap)
		}
		used := o.Stats.FirstUse
		if s.UseTime == lastUse {
			used = o.Stats.LastUse
		}
		if used.Unix() != 1700000010 {
			t.Errorf("%s: %+v", s.Name, o.Stats)
		}
		p, _, ok, err := read("spd-dump").decodePolicy()
		want := structPolicyOf(kernel.Out)
		want.Key.ID = structPolicy
		if err != nil || !ok {
			t.Fatalf("%s: %v", s.Name, err)
		}
		p.Life = kernel.Lifetime{}
		if d := cmp.Diff(want, p, ofEvents); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
	}
}

// Every recorded message is used above.
func TestNoStructureIsForgotten(t *testing.T) {
	text, err := os.ReadFile("structure_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/golden/*/*.txt")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".txt"); !bytes.Contains(text, []byte(`"`+name+`"`)) {
			t.Errorf("%s is not used", f)
		}
	}
}

// A sentence and no bytes for what a system has no words for.
func TestWhatPFKEYCannotSayIsRefused(t *testing.T) {
	mark := &kernel.Mark{Value: 1, Mask: 1}
	for name, f := range map[string]func(*kernel.SA){
		"mark":           func(sa *kernel.SA) { sa.Key.Mark = mark },
		"interface":      func(sa *kernel.SA) { sa.Key.IfID = 1 },
		"output mark":    func(sa *kernel.SA) { sa.OutputMark = mark },
		"offload":        func(sa *kernel.SA) { sa.Offload = "eth0" },
		"selector":       func(sa *kernel.SA) { sa.Sel = &kernel.Selector{} },
		"label":          func(sa *kernel.SA) { sa.Label = "x" },
		"mode":           func(sa *kernel.SA) { sa.Mode = 4 },
		"direction":      func(sa *kernel.SA) { sa.Dir = kernel.Fwd },
		"truncation":     func(sa *kernel.SA) { sa.Auth.Trunc = 112 },
		"authentication": func(sa *kernel.SA) { sa.Auth.ID = 99 },
		"encryption":     func(sa *kernel.SA) { sa.Encr.ID = 99 },
		"protocol":       func(sa *kernel.SA) { sa.Key.Proto = 6 },
	} {
		for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
			if b, err := s.encodeSA(msgAdd, with(structSA(kernel.In, kernel.ModeTunnel), f)); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) || b != nil {
				t.Errorf("%s: %s: %v", s.Name, name, err)
			}
		}
	}
	for _, s := range []System{linux(), netbsd(), darwin()} {
		if _, err := s.encodeSA(msgAdd, with(structSA(kernel.In, kernel.ModeTunnel), func(sa *kernel.SA) { sa.ESN = true })); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
			t.Errorf("%s: extended sequence numbers: %v", s.Name, err)
		}
	}
	for _, c := range []struct {
		s       System
		auth    kernel.AlgKey
		dst     string
		refused bool
	}{
		{linux(), kernel.AlgKey{ID: authSHA512, Key: count(0, 64)}, "192.0.2.2", true},
		{linux(), kernel.AlgKey{ID: authSHA384, Key: count(0, 48)}, "192.0.2.2", true},
		{linux(), kernel.AlgKey{ID: authSHA512, Key: count(0, 64)}, "2001:db8::2", false},
		{linux(), kernel.AlgKey{ID: 5, Key: count(0, 32)}, "192.0.2.2", false},
		{freebsd(), kernel.AlgKey{ID: authSHA512, Key: count(0, 64)}, "192.0.2.2", false},
	} {
		sa := structSA(kernel.In, kernel.ModeTransport)
		sa.Key.Proto, sa.Encr, sa.Auth, sa.Key.Dst = protoAH, nil, &c.auth, netip.MustParseAddr(c.dst)
		if sa.Key.Dst.Is6() {
			sa.Key.Src = netip.MustParseAddr("2001:db8::1")
		}
		if _, err := c.s.encodeSA(msgAdd, sa); errors.Is(err, &errs.Error{Reason: errs.Unsupported}) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: AH with authentication algorithm %d to %s: %v", c.s.Name, c.auth.ID, c.dst, err)
		}
	}
	for name, f := range map[string]func(*kernel.SA){
		"SPI 0":                      func(sa *kernel.SA) { sa.Key.SPI = 0 },
		"families":                   func(sa *kernel.SA) { sa.Key.Src = netip.IPv6LinkLocalAllNodes() },
		"a short key":                func(sa *kernel.SA) { sa.Encr.Key = count(0, 15) },
		"NULL alone":                 func(sa *kernel.SA) { sa.Encr, sa.Auth = &kernel.AlgKey{ID: ipsec.Null}, nil },
		"AH with encryption":         func(sa *kernel.SA) { sa.Key.Proto = protoAH },
		"IPComp with keys":           func(sa *kernel.SA) { sa.Key.Proto = protoIPComp },
		"GCM with authentication":    func(sa *kernel.SA) { sa.Encr = &kernel.AlgKey{ID: 20, Key: count(0, 20)} },
		"AH in UDP":                  func(sa *kernel.SA) { sa.Key.Proto, sa.Encr, sa.Encap = protoAH, nil, &kernel.Encap{} },
		"a window nobody can afford": func(sa *kernel.SA) { sa.ReplayWindow = 1 << 20 },
	} {
		for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
			if b, err := s.encodeSA(msgAdd, with(structSA(kernel.In, kernel.ModeTunnel), f)); !errors.Is(err, &errs.Error{Reason: errs.Invalid}) || b != nil {
				t.Errorf("%s: %s: %v", s.Name, name, err)
			}
		}
	}
	for name, f := range map[string]func(*kernel.Policy){
		"mark":            func(p *kernel.Policy) { p.Key.Mark = mark },
		"interface":       func(p *kernel.Policy) { p.Key.IfID = 1 },
		"direction":       func(p *kernel.Policy) { p.Key.Dir = 4 },
		"action":          func(p *kernel.Policy) { p.Action = 9 },
		"limit in octets": func(p *kernel.Policy) { p.Life.HardBytes = 1 },
		"label":           func(p *kernel.Policy) { p.Label = "x" },
		"reqid above":     func(p *kernel.Policy) { p.Templates[0].ReqID = 16384 },
		"reqid with use":  func(p *kernel.Policy) { p.Templates[0].Level = kernel.LevelUse },
		"level":           func(p *kernel.Policy) { p.Templates[0].Level = 9 },
		"mode":            func(p *kernel.Policy) { p.Templates[0].Mode = 9 },
		"protocol":        func(p *kernel.Policy) { p.Templates[0].Proto = 6 },
	} {
		for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
			p := structPolicyOf(kernel.Out)
			f(p)
			if b, err := s.encodePolicy(msgSPDAdd, p); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) || b != nil {
				t.Errorf("%s: %s: %v", s.Name, name, err)
			}
		}
	}
}

// FreeBSD 13 is the first that has extended sequence numbers; those before take the flag
// and do nothing.
func TestExtendedSequenceNumbersAreThoseOfNewerFreeBSD(t *testing.T) {
	for release, want := range map[string]bool{"11.4-RELEASE": false, "12.4-RELEASE-p9": false, "13.0-RELEASE": true, "15.1-RELEASE-p2": true, "unknown": false} {
		s := freebsd()
		s.fit(release)
		_, err := s.encodeSA(msgAdd, with(structSA(kernel.In, kernel.ModeTunnel), func(sa *kernel.SA) { sa.ESN = true }))
		if (err == nil) != want || err != nil && !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
			t.Errorf("FreeBSD %s: %v", release, err)
		}
	}
	s := freebsd()
	for name, f := range map[string]func(*kernel.SA){
		"without anti-replay": func(sa *kernel.SA) { sa.NoReplay = true },
		"of IPComp": func(sa *kernel.SA) {
			sa.Key.Proto, sa.Encr, sa.Auth, sa.Comp = protoIPComp, nil, nil, deflate
		},
	} {
		if _, err := s.encodeSA(msgAdd, with(structSA(kernel.In, kernel.ModeTunnel), func(sa *kernel.SA) { sa.ESN = true; f(sa) })); !errors.Is(err, &errs.Error{Reason: errs.Invalid}) {
			t.Errorf("extended sequence numbers %s: %v", name, err)
		}
	}
	for esn, name := range map[bool]string{false: "add-esp-tunnel4", true: "add-esp-esn-tunnel4"} {
		m, err := s.parse(structure(t, s, name))
		if err != nil {
			t.Fatal(err)
		}
		if o, _, err := m.decodeSA(time.Time{}, false); err != nil || o.SA.ESN != esn {
			t.Errorf("%s is read as %+v, %v", name, o.SA, err)
		}
	}
}

// A window too large for its field is in an extension, and comes back from there.
func TestALargeWindowComesBack(t *testing.T) {
	s := freebsd()
	for _, window := range []uint32{32, 2040, 2048, 4096} {
		b, err := s.encodeSA(msgDump, with(structSA(kernel.In, kernel.ModeTunnel), func(sa *kernel.SA) { sa.ReplayWindow = window }))
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if o, _, err := m.decodeSA(time.Now(), false); err != nil || o.SA.ReplayWindow != window {
			t.Errorf("a window of %d is dumped as %d, %v", window, o.SA.ReplayWindow, err)
		}
	}
}

// Without anti-replay there is no window, whatever else is said.
func TestAnSAWithoutAntiReplayHasNoWindow(t *testing.T) {
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		b, err := s.encodeSA(msgAdd, with(structSA(kernel.In, kernel.ModeTunnel), func(sa *kernel.SA) { sa.NoReplay, sa.ReplayWindow = true, 64 }))
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		m, err := s.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if n := m.ext[extSA][saReplay]; n != 0 || s.Replay.Ext != 0 && m.ext[s.Replay.Ext] != nil {
			t.Errorf("%s: a window of %d", s.Name, n)
		}
	}
}

// For PF_KEY a reqid goes with level unique only; the contract has it with require too.
func TestATemplateWithAReqIDBecomesUnique(t *testing.T) {
	for _, s := range []System{linux(), freebsd()} {
		p := structPolicyOf(kernel.Out)
		p.Templates[0].Level = kernel.LevelRequire
		b, err := s.encodePolicy(msgSPDAdd, p)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _, err := m.decodePolicy(); err != nil || got.Templates[0].Level != kernel.LevelUnique || got.Templates[0].ReqID != structReqID {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

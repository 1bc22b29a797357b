package setkey

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = "testdata/" + name
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := gocmp.Diff(read(t, name), got); d != "" {
		t.Errorf("%s (-want +got)\n%s", name, d)
	}
}

// fixed is a kernel that dumps and tells what a test wants.
type fixed struct {
	*kerneltest.Fake
	objects []kernel.Object
	events  []kernel.Event
}

func (f fixed) Dump(_ context.Context, d kernel.DumpFilter, each func(kernel.Object) error) error {
	for _, o := range f.objects {
		if o.SA != nil && d.SAs || o.Policy != nil && d.Policies {
			if err := each(o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f fixed) Events(_ context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
	for _, e := range f.events {
		if !mask.Has(e.Kind) {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

func counting(id uint16, n int) *kernel.AlgKey {
	key := make([]byte, n)
	for i := range key {
		key[i] = byte(i)
	}
	return &kernel.AlgKey{ID: id, Key: secret.New(key)}
}

func someSAs() []kernel.Object {
	used := kernel.Stats{Bytes: 84000, Packets: 1000, Added: noon, FirstUse: noon.Add(time.Second), LastUse: noon.Add(4*time.Minute + 59*time.Second)}
	return []kernel.Object{
		{Stats: used, SA: &kernel.SA{Key: kernel.Key{Src: here, Dst: there, SPI: 123456789, Proto: 50}, ReqID: 16385, Mode: kernel.ModeTunnel,
			Encr: counting(12, 16), Auth: counting(2, 20), ReplayWindow: 4, State: kernel.Mature, Life: kernel.Lifetime{HardTime: time.Hour, SoftTime: 48 * time.Minute}}},
		{Stats: kernel.Stats{Added: noon}, SA: &kernel.SA{Key: kernel.Key{Src: there, Dst: here, SPI: 256, Proto: 50}, Mode: kernel.ModeTransport,
			Encr: counting(11, 0), Auth: counting(7, 64), State: kernel.Dying, Label: "system_u:object_r:ipsec_t:s0",
			Encap: &kernel.Encap{SrcPort: 4500, DstPort: 30001, OrigDst: netip.MustParseAddr("10.9.9.9")},
			Life:  kernel.Lifetime{HardBytes: 1 << 33, SoftBytes: 1 << 32, HardPackets: 9, SoftPackets: 8}}},
		{SA: &kernel.SA{Key: kernel.Key{Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"), SPI: 4096, Proto: 108},
			Mode: kernel.ModeTunnel, Comp: 2, State: kernel.Mature}},
		{SA: &kernel.SA{Key: kernel.Key{Src: here, Dst: there, SPI: 4097, Proto: 51}, State: kernel.Larval, Life: kernel.Lifetime{HardTime: 30 * time.Second}}},
		{SA: &kernel.SA{Key: kernel.Key{Src: here, Dst: there, SPI: 4098, Proto: 51}, Auth: counting(77, 0), State: kernel.Dead, Mode: 9}},
		{SA: &kernel.SA{Key: kernel.Key{Src: here, Dst: there, SPI: 4099, Proto: 50}, Encr: &kernel.AlgKey{ID: 20}, State: kernel.Mature, Mode: kernel.ModeTunnel}},
	}
}

func somePolicies() []kernel.Object {
	net := netip.MustParsePrefix
	sel := func(src, dst string, proto uint8, ports ...uint16) kernel.Selector {
		ports = append(ports, 0, 0)
		return kernel.Selector{Src: net(src), Dst: net(dst), Proto: proto, SrcPort: ports[0], DstPort: ports[1]}
	}
	tunnel := kernel.Template{Proto: 50, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 5, Src: here, Dst: there}
	transport := kernel.Template{Proto: 51, Mode: kernel.ModeTransport, Level: kernel.LevelRequire}
	own := kernel.Template{Proto: 108, Mode: kernel.ModeTransport, Level: kernel.LevelUnique, ReqID: 16389}
	policy := func(dir kernel.Direction, id uint32, s kernel.Selector, action uint8, prio int32, ts ...kernel.Template) *kernel.Policy {
		return &kernel.Policy{Key: kernel.PolicyKey{Dir: dir, ID: id, Sel: s}, Action: action, Priority: prio, Templates: ts}
	}
	limited := policy(kernel.In, 24, sel("10.0.1.0/24", "10.0.0.0/24", 6, 0, 80), kernel.ActionIPsec, -0x40000005, own, transport, tunnel)
	limited.Life.HardTime, limited.Label = time.Hour, "system_u:object_r:ipsec_spd_t:s0"
	return []kernel.Object{
		{Policy: policy(kernel.Out, 17, sel("10.0.0.0/24", "10.0.1.0/24", 0), kernel.ActionIPsec, 0, tunnel), Stats: kernel.Stats{Added: noon}},
		{Policy: limited, Stats: kernel.Stats{Added: noon, LastUse: noon.Add(time.Minute)}},
		{Policy: policy(kernel.Fwd, 34, sel("192.0.2.1/32", "0.0.0.0/0", 1, 8, 0), kernel.ActionNone, 0x40000007)},
		{Policy: policy(kernel.Out, 41, sel("2001:db8::/32", "::/0", 58), kernel.ActionDiscard, 9)},
		{Policy: policy(kernel.Out, 49, sel("192.0.2.1/32", "192.0.2.2/32", 47, 0x0102, 0x0304), kernel.ActionBypass, -0x80000000)},
		{Policy: policy(kernel.Out, 57, sel("192.0.2.1/32", "192.0.2.2/32", 200, 53), kernel.ActionNone, 0)},
	}
}

func TestDumpsHaveTheFormatOfSetkey(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options func(*Runner)
		dump    func(*Runner, context.Context) error
	}{
		{"sad.txt", nil, func(r *Runner, ctx context.Context) error { return r.DumpSAs(ctx, Proto{}) }},
		{"sad-ap.txt", func(r *Runner) { r.Dead, r.Ports = true, true }, func(r *Runner, ctx context.Context) error { return r.DumpSAs(ctx, Proto{Number: 51}) }},
		{"sad-l.txt", func(r *Runner) { r.Dead = true }, (*Runner).ShortDump},
		{"spd.txt", nil, (*Runner).DumpPolicies},
		{"spd-p.txt", func(r *Runner) { r.Ports = true }, (*Runner).DumpPolicies},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(fixed{newKernel(), append(someSAs(), somePolicies()...), nil})
			if tt.options != nil {
				tt.options(b.Runner)
			}
			if err := tt.dump(b.Runner, t.Context()); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name, b.out.String())
		})
	}
}

func TestAnEmptyKernelIsNoFailure(t *testing.T) {
	b := newBench(newKernel())
	if n := b.run(t, "dump; dump esp; spddump; flush; flush ah; spdflush;"); n != 0 || b.out.String() != "No SAD entries.\nNo SAD entries.\nNo SPD entries.\n" {
		t.Errorf("%d failed: %s%s", n, &b.out, &b.err)
	}
}

func TestEachFailureIsToldAndTheRestIsDone(t *testing.T) {
	k := newKernel()
	b := newBench(k)
	const sa = `192.0.2.1 192.0.2.2 ah 256`
	n := b.run(t, `delete `+sa+`;
add `+sa+` -A hmac-md5 "sixteen octets !";
add `+sa+` -A hmac-md5 "sixteen octets !";
get 192.0.2.1 192.0.2.2 ah 257;
add nobody 192.0.2.2 ah 256 -A hmac-md5 "sixteen octets !";
add -n host-4 192.0.2.2 ah 256 -A hmac-md5 "sixteen octets !";
add host-4 host-6 ah 256 -A hmac-md5 "sixteen octets !";
add -6 host-4 host-6 ah 256 -A hmac-md5 "sixteen octets !";
add 192.0.2.1[500] 192.0.2.2 ah 258 -A hmac-md5 "sixteen octets !";
add 192.0.2.1 192.0.2.2[70000] esp-udp 258 -E null -A hmac-md5 "sixteen octets !";
add 192.0.2.1 192.0.2.2 ah 258 -r 5000 -A hmac-md5 "sixteen octets !";
delete host-a host-b ah 256;
deleteall 192.0.2.9 192.0.2.2 ah;
spdadd host-a host-b any -P out none;
spdadd 192.0.2.1/33 192.0.2.2 any -P out none;
spdadd 192.0.2.1 192.0.2.2 icmp 256,0 -P out none;
spdadd 192.0.2.1 192.0.2.2 gre 1.2.3 -P out none;
spddelete 192.0.2.1 192.0.2.2 any -P in;
spdadd fe80::1%eth0 fe80::2 any -P out none;
add 192.0.2.1 192.0.2.2 ah 259 -A hmac-md5 "sixteen octets !";`)
	if n != 18 || len(k.SAs()) != 2 {
		t.Errorf("%d failed, %d SAs", n, len(k.SAs()))
	}
	golden(t, "failures.txt", b.err.String())
}

func TestWhatAKernelLacksIsRefusedInWords(t *testing.T) {
	k := newKernel()
	b := newBench(lacking{k})
	n := b.run(t, `add 192.0.2.1 192.0.2.2 esp 256 -E blowfish-cbc "sixteen octets !" -A hmac-md5 "sixteen octets !";
add 192.0.2.1 192.0.2.2 esp 256 -E aes-cbc "thirty-two octets are AES at 256" -A hmac-md5 "sixteen octets !";
add 192.0.2.1 192.0.2.2 esp-udp 256 -E aes-cbc "sixteen octets !";
add 192.0.2.1 192.0.2.2 ah 256 -ctx 1 1 "x" -A hmac-md5 "sixteen octets !";
add 192.0.2.1 192.0.2.2 ipcomp 256 -C deflate;
spdadd 192.0.2.1 192.0.2.2 any -ctx 1 1 "x" -P out none;
add 192.0.2.1 192.0.2.2 esp 257 -E aes-cbc "sixteen octets !" -A hmac-md5 "sixteen octets !";`)
	if n != 6 || len(k.SAs()) != 1 || k.SAs()[0].NoReplay || len(k.Policies()) != 0 {
		t.Errorf("%d failed, SAs %+v", n, k.SAs())
	}
	golden(t, "lacking.txt", b.err.String())
}

// lacking is a kernel with little in it.
type lacking struct{ *kerneltest.Fake }

func (lacking) Capabilities(context.Context) (kernel.Capabilities, error) {
	return kernel.Capabilities{Platform: "small 1.0", Features: kernel.FeatESP | kernel.FeatAH, Algorithms: []kernel.Algorithm{
		{Kind: kernel.AlgEncr, ID: 12, MinKey: 128, MaxKey: 128}, {Kind: kernel.AlgAuth, ID: 1, MinKey: 128, MaxKey: 128}}}, nil
}

func TestPoliciesOfDirectionInHaveATwinInRFCMode(t *testing.T) {
	const text = `spdadd 10.2.0.0/16 10.1.0.0/16 any -P in ipsec esp/tunnel/192.0.2.2-192.0.2.1/unique:5 ah/transport//unique:6;`
	dirs := func(k *kerneltest.Fake) (list []kernel.Direction) {
		_, ps := contents(k)
		for _, p := range ps {
			list = append(list, p.Key.Dir)
			if first := p.Templates[0]; p.Key.Dir == kernel.Fwd && (first.Level != kernel.LevelRequire || first.ReqID != 0 || p.Templates[1].ReqID != 6) {
				t.Errorf("the twin has %+v", p.Templates)
			}
		}
		slices.Sort(list)
		return list
	}
	k := newKernel()
	b := newBench(k)
	if n := b.run(t, text); n != 0 || !slices.Equal(dirs(k), []kernel.Direction{kernel.In, kernel.Fwd}) {
		t.Errorf("%v\n%s", dirs(k), &b.err)
	}
	if n := b.run(t, text); n != 1 || !strings.Contains(b.err.String(), "File exists") {
		t.Errorf("a policy twice: %s", &b.err)
	}
	if n := b.run(t, "spddelete 10.2.0.0/16 10.1.0.0/16 any -P in;"); n != 0 || len(dirs(k)) != 0 {
		t.Errorf("%v\n%s", dirs(k), &b.err)
	}
	b.RFC = false
	if n := b.run(t, text); n != 0 || !slices.Equal(dirs(k), []kernel.Direction{kernel.In}) {
		t.Errorf("kernel mode: %v\n%s", dirs(k), &b.err)
	}
	b.RFC = true // there is no twin to delete
	if n := b.run(t, "spddelete 10.2.0.0/16 10.1.0.0/16 any -P in;"); n != 0 || len(dirs(k)) != 0 {
		t.Errorf("%v\n%s", dirs(k), &b.err)
	}
}

// PF_KEY takes numbers up to 16383 only, and racoon counts its own from 1.
func TestUniqueWithoutANumberGetsOneNobodyHas(t *testing.T) {
	k := newKernel()
	b := newBench(k)
	if n := b.run(t, `add 192.0.2.1 192.0.2.2 ah 256 -u 16382 -A hmac-md5 "sixteen octets !";
spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//unique ah/transport//unique;
spdadd 10.3.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//unique;`); n != 0 {
		t.Fatal(&b.err)
	}
	_, ps := contents(k)
	got := []uint32{ps[0].Templates[0].ReqID, ps[0].Templates[1].ReqID, ps[1].Templates[0].ReqID}
	if !slices.Equal(got, []uint32{16383, 16381, 16380}) {
		t.Errorf("numbers %v", got)
	}
}

// crowded is a kernel where SAs have all numbers, 0 too.
type crowded struct{ *kerneltest.Fake }

func (crowded) Dump(_ context.Context, _ kernel.DumpFilter, emit func(kernel.Object) error) error {
	for n := range uint32(maxReqID + 1) {
		if err := emit(kernel.Object{SA: &kernel.SA{ReqID: n}}); err != nil {
			return err
		}
	}
	return nil
}

func TestUniqueWithoutANumberFailsWhenNoneIsFree(t *testing.T) {
	b := newBench(crowded{newKernel()})
	if n := b.run(t, "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out ipsec esp/transport//unique;"); n != 1 || !strings.Contains(b.err.String(), "all numbers up to 16383 are taken") {
		t.Errorf("%d commands failed: %s", n, &b.err)
	}
}

func TestSPIsAreReserved(t *testing.T) {
	k := newKernel()
	b := newBench(k)
	if n := b.run(t, "getspi 192.0.2.2 192.0.2.1 esp 0x1234; getspi 192.0.2.2 192.0.2.1 ipcomp 0; getspi host-b host-a ah 0 -u 7;"); n != 0 {
		t.Fatal(&b.err)
	}
	sas, _ := contents(k)
	if len(sas) != 4 || !slices.ContainsFunc(sas, func(s kernel.SA) bool { return s.Key.SPI == 0x1234 && s.State == kernel.Larval }) {
		t.Errorf("%+v", sas)
	}
	if n := b.run(t, "getspi 192.0.2.2 192.0.2.1 esp 0x1234;"); n != 1 {
		t.Error("an SPI was reserved twice")
	}
}

func TestFlushOfAProtocolLeavesTheOthers(t *testing.T) {
	k := newKernel()
	b := newBench(k)
	n := b.run(t, `add 192.0.2.1 192.0.2.2 ah 256 -A hmac-md5 "sixteen octets !";
add 192.0.2.1 192.0.2.2 ipcomp 256 -C deflate;
add 192.0.2.1 192.0.2.2 esp 256 -E aes-cbc "sixteen octets !";
add 192.0.2.1 192.0.2.2 esp-udp 257 -E aes-cbc "sixteen octets !";
flush esp-udp; flush ipcomp;`)
	var left []string
	for _, s := range k.SAs() {
		left = append(left, fmt.Sprint(s.Key.Proto, s.Key.SPI))
	}
	slices.Sort(left)
	if n != 0 || !slices.Equal(left, []string{"50 256", "51 256"}) {
		t.Errorf("%v\n%s", left, &b.err)
	}
}

func TestNothingIsSentWithoutAKernel(t *testing.T) {
	b := newBench(nil)
	if n := b.run(t, read(t, "testdata/every.conf")+"dump; spddump;"); n != 0 || b.out.Len() != 0 {
		t.Errorf("%d failed: %s%s", n, &b.out, &b.err)
	}
	if n := b.run(t, "spdadd 192.0.2.1/33 192.0.2.2 any -P out none;"); n != 1 {
		t.Error("what cannot be was found to be fine")
	}
}

func TestVerboseShowsEveryOperation(t *testing.T) {
	b := newBench(newKernel())
	b.Verbose = true
	n := b.run(t, `flush; add 192.0.2.1 192.0.2.2 esp-udp 256 -m tunnel -u 5 -lh 60 -bs 7 -E aes-cbc "sixteen octets !" -A hmac-md5 "sixteen octets !";
spdadd 10.1.0.0/16 10.2.0.0/16[80] tcp -P in prio high ipsec esp/tunnel/192.0.2.1-192.0.2.2/unique:5;
delete 192.0.2.1 192.0.2.2 esp 256; spdflush;`)
	if n != 0 {
		t.Fatal(&b.err)
	}
	golden(t, "verbose.txt", b.out.String())
}

func TestWhatHappensIsShown(t *testing.T) {
	p := somePolicies()[0].Policy
	sel := kernel.Selector{Src: netip.MustParsePrefix("10.0.0.1/32"), Dst: netip.MustParsePrefix("10.0.1.1/32"), Proto: 1, SrcPort: 8}
	key := kernel.Key{Src: here, Dst: there, SPI: 256, Proto: 50}
	made := &kernel.SA{Key: key, ReqID: 5, Mode: kernel.ModeTunnel, Encr: &kernel.AlgKey{ID: 12}, Auth: &kernel.AlgKey{ID: 2}, State: kernel.Mature,
		ReplayWindow: 32, Life: kernel.Lifetime{HardTime: time.Hour}, Encap: &kernel.Encap{SrcPort: 4500, DstPort: 30001}}
	k := fixed{newKernel(), nil, []kernel.Event{
		{Kind: kernel.Ready, At: noon},
		{Kind: kernel.Acquire, At: noon, Key: kernel.Key{Src: here, Dst: there, Proto: 50}, Policy: p, Sel: &sel, AcquireSeq: 7,
			Proposals: []kernel.Proposal{{Proto: 50, Encr: 12, Auth: 2}}},
		{Kind: kernel.ExpireSoft, At: noon, Key: key},
		{Kind: kernel.ExpireHard, At: noon, Key: key},
		{Kind: kernel.Mapping, At: noon, Key: key, NewRemote: netip.MustParseAddrPort("192.0.2.7:30001")},
		{Kind: kernel.SADeleted, At: noon, Key: key},
		{Kind: kernel.SAFlushed, At: noon}, {Kind: kernel.PolicyAdded, At: noon, Policy: p}, {Kind: kernel.PolicyFlushed, At: noon},
		{Kind: kernel.Overflow, At: noon}, {Kind: kernel.NetChanged, At: noon},
		{Kind: kernel.SAAdded, At: noon, Key: made.Key, SA: made}, {Kind: kernel.SAUpdated, At: noon, Key: made.Key, SA: made},
	}}
	b := newBench(k)
	if err := b.Watch(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	golden(t, "watch.txt", b.out.String())
	if got := stamp(noon.Add(1500*time.Microsecond), true); got != "1714564800.001500" {
		t.Errorf("-xx has the time %s", got)
	}
}

// slowKernel does the first transactions, but its answers come too late.
type slowKernel struct {
	kernel.Backend
	late int
}

func (k *slowKernel) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	res, err := k.Backend.Apply(ctx, ts)
	if k.late--; k.late >= 0 {
		return nil, errs.Errorf(errs.Timeout, "no answer in time")
	}
	return res, err
}

func TestWhatIsDoneSlowlyIsDone(t *testing.T) {
	for late, want := range map[int]int{3: 0, 1000: 1} {
		fake := newKernel()
		b := newBench(&slowKernel{Backend: fake, late: late})
		if failed := b.run(t, fmt.Sprintf("add 192.0.2.1 192.0.2.2 esp %d -E null -A hmac-sha1 0x0102030405060708090a0b0c0d0e0f1011121314;", 1000+late)); failed != want {
			t.Errorf("%d late answers: %d failed, want %d: %s", late, failed, want, b.err.String())
		}
		if n := len(fake.SAs()); n != 1 {
			t.Errorf("%d late answers: %d SAs", late, n)
		}
	}
}

// A plugin of before does not know the names of SA events, and would refuse them.
func TestSAEventsAreAskedOfWhoHasThem(t *testing.T) {
	k := fixed{newKernel(), nil, []kernel.Event{{Kind: kernel.SAFlushed, At: noon}, {Kind: kernel.SAAdded, At: noon, SA: &kernel.SA{}}}}
	k.Without = kernel.FeatSAEvents
	b := newBench(k)
	if err := b.Watch(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := b.out.String(); !strings.Contains(got, "type=9 ") || strings.Contains(got, "type=3 ") {
		t.Errorf("%s", got)
	}
	k.Before = func(context.Context, string) error { return errs.Errorf(errs.Unavailable, "the plugin is gone") }
	if err := newBench(k).Watch(t.Context(), false); err == nil || err.Error() != "the plugin is gone" {
		t.Errorf("%v", err)
	}
}

func TestAKernelThatIsGoneFailsEveryCommand(t *testing.T) {
	k := newKernel()
	k.Before = func(context.Context, string) error { return errs.Errorf(errs.Unavailable, "the plugin is gone") }
	b := newBench(k)
	if n := b.run(t, "flush; spdflush; dump; spddump; getspi 192.0.2.2 192.0.2.1 esp 0; flush esp;"); n != 6 {
		t.Errorf("%d failed:\n%s", n, &b.err)
	}
	if !bytes.Contains(b.err.Bytes(), []byte("setkey: FILE:1: the plugin is gone")) {
		t.Errorf("%s", &b.err)
	}
}

//go:build linux

package xfrm

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// A pipe is IPsec between two hosts: the SAs of a packet, innermost first.
type pipe struct {
	name   string
	protos []uint8
	mode   uint8 // of the innermost; the others are in transport mode
	outer  [2]netip.Addr
	inner  [2]netip.Addr
	onWire uint8 // IP protocol
	change func(*kernel.SA)
	needs  kernel.Feature
}

func pipes() []pipe {
	const esp, ah, comp, udp = protoESP, protoAH, protoIPComp, 17
	tunnel, transport, beet := kernel.ModeTunnel, kernel.ModeTransport, kernel.ModeBEET
	natt := func(sa *kernel.SA) { sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500} }
	algs := func(encr, auth *kernel.AlgKey) func(*kernel.SA) {
		return func(sa *kernel.SA) { sa.Encr, sa.Auth = encr, auth }
	}
	return []pipe{
		{"ESP tunnel", []uint8{esp}, tunnel, outer4, inner4, esp, nil, kernel.FeatESP},
		{"ESP tunnel, v6", []uint8{esp}, tunnel, outer6, inner6, esp, nil, kernel.FeatESP},
		{"ESP tunnel, v6 in v4", []uint8{esp}, tunnel, outer4, inner6, esp, nil, kernel.FeatESP},
		{"ESP tunnel, v4 in v6", []uint8{esp}, tunnel, outer6, inner4, esp, nil, kernel.FeatESP},
		{"ESP transport", []uint8{esp}, transport, outer4, outer4, esp, nil, kernel.FeatESP},
		{"ESP transport, v6", []uint8{esp}, transport, outer6, outer6, esp, nil, kernel.FeatESP},
		{"ESP BEET", []uint8{esp}, beet, outer4, inner4, esp, nil, kernel.FeatBEET},
		{"ESP BEET, v6", []uint8{esp}, beet, outer6, inner6, esp, nil, kernel.FeatBEET},
		{"ESP in UDP, tunnel", []uint8{esp}, tunnel, outer4, inner4, udp, natt, kernel.FeatNATT},
		{"ESP in UDP, v6 in v4", []uint8{esp}, tunnel, outer4, inner6, udp, natt, kernel.FeatNATT},
		{"ESP in UDP, transport", []uint8{esp}, transport, outer4, outer4, udp, natt, kernel.FeatNATT},
		{"ESP in UDP, v6", []uint8{esp}, tunnel, outer6, inner6, udp, natt, kernel.FeatNATT},
		{"AH tunnel", []uint8{ah}, tunnel, outer4, inner4, ah, nil, kernel.FeatAH},
		{"AH tunnel, v6", []uint8{ah}, tunnel, outer6, inner6, ah, nil, kernel.FeatAH},
		{"AH transport", []uint8{ah}, transport, outer4, outer4, ah, nil, kernel.FeatAH},
		{"AH transport, v6", []uint8{ah}, transport, outer6, outer6, ah, nil, kernel.FeatAH},
		{"IPComp tunnel", []uint8{comp}, tunnel, outer4, inner4, comp, nil, kernel.FeatIPComp},
		{"IPComp transport", []uint8{comp}, transport, outer4, outer4, comp, nil, kernel.FeatIPComp},
		{"IPComp transport, v6", []uint8{comp}, transport, outer6, outer6, comp, nil, kernel.FeatIPComp},
		{"ESP and AH, tunnel", []uint8{esp, ah}, tunnel, outer4, inner4, ah, nil, kernel.FeatAH},
		{"ESP and AH, transport", []uint8{esp, ah}, transport, outer4, outer4, ah, nil, kernel.FeatAH},
		{"ESP and AH, v6", []uint8{esp, ah}, tunnel, outer6, inner6, ah, nil, kernel.FeatAH},
		{"IPComp and ESP, tunnel", []uint8{comp, esp}, tunnel, outer4, inner4, esp, nil, kernel.FeatIPComp},
		{"IPComp and ESP, transport", []uint8{comp, esp}, transport, outer4, outer4, esp, nil, kernel.FeatIPComp},
		{"IPComp, ESP and AH", []uint8{comp, esp, ah}, transport, outer6, outer6, ah, nil, kernel.FeatIPComp},
		{"extended sequence numbers", []uint8{esp}, tunnel, outer4, inner4, esp, func(sa *kernel.SA) {
			sa.ESN, sa.ReplayWindow = true, 128
		}, kernel.FeatESN},
		{"AES-GCM", []uint8{esp}, tunnel, outer4, inner4, esp, algs(counting(20, 36, 0), nil), kernel.FeatESP},
		{"AES-CTR, SHA2-512", []uint8{esp}, tunnel, outer4, inner4, esp, algs(counting(13, 20, 0), counting(7, 64, 0)), kernel.FeatESP},
		{"3DES, MD5", []uint8{esp}, tunnel, outer4, inner4, esp, algs(counting(3, 24, 0), counting(1, 16, 0)), kernel.FeatESP},
		{"SHA2-256 cut to 96 bits", []uint8{esp}, tunnel, outer4, inner4, esp, algs(counting(12, 16, 0), counting(5, 32, 96)), kernel.FeatESP},
	}
}

// sas are the SAs from host i to the other, as they are there for dir.
func (p pipe) sas(i int, dir kernel.Direction) (list []*kernel.SA) {
	for n, proto := range p.protos {
		sa := &kernel.SA{
			Key:   kernel.Key{Src: p.outer[i], Dst: p.outer[1-i], Proto: proto, SPI: uint32(0x1000 + 16*i + n)},
			ReqID: uint32(1 + n), Mode: kernel.ModeTransport, Dir: dir,
		}
		switch proto {
		case protoESP:
			sa.Encr, sa.Auth = counting(12, 16, 0), counting(5, 32, 0)
		case protoAH:
			sa.Auth = counting(5, 32, 0)
		case protoIPComp:
			sa.Comp = deflate.ID
		}
		if n == 0 {
			sa.Mode = p.mode
		}
		if sa.Mode == kernel.ModeBEET {
			sa.Sel = &kernel.Selector{Src: hostPrefix(p.inner[i]), Dst: hostPrefix(p.inner[1-i])}
		}
		if p.change != nil {
			p.change(sa)
		}
		list = append(list, sa)
	}
	return list
}

// policy is that of host i's packets to the other. What IPComp does not make smaller
// goes without it, so in the inbound policy it is optional.
func (p pipe) policy(i int, dir kernel.Direction) *kernel.Policy {
	policy := &kernel.Policy{
		Key: kernel.PolicyKey{Dir: dir, Sel: kernel.Selector{
			Src: hostPrefix(p.inner[i]), Dst: hostPrefix(p.inner[1-i]), Proto: 17, DstPort: 7000,
		}},
		Action: kernel.ActionIPsec,
	}
	for _, sa := range p.sas(i, dir) {
		tmpl := kernel.Template{
			Proto: sa.Key.Proto, Mode: sa.Mode, Level: kernel.LevelUnique, ReqID: sa.ReqID, Src: sa.Key.Src, Dst: sa.Key.Dst,
		}
		if dir == kernel.In && sa.Key.Proto == protoIPComp {
			tmpl.Level = kernel.LevelUse
		}
		policy.Templates = append(policy.Templates, tmpl)
	}
	return policy
}

// ops install at host h what p needs for both directions.
func (p pipe) ops(h int) (ops []kernel.Op) {
	for i, dir := range map[int]kernel.Direction{h: kernel.Out, 1 - h: kernel.In} {
		for _, sa := range p.sas(i, dir) {
			ops = append(ops, kernel.Op{Kind: kernel.AddSA, SA: sa})
		}
		ops = append(ops, kernel.Op{Kind: kernel.AddPolicy, Policy: p.policy(i, dir)})
	}
	return ops
}

// TestTrafficPasses sends a datagram each way through every protocol, mode and family,
// and looks at the link and the counters.
func TestTrafficPasses(t *testing.T) {
	hosts, caps := twoHosts(t)
	wires := [2]*wire{hosts[0].wire(), hosts[1].wire()}
	for _, p := range pipes() {
		t.Run(p.name, func(t *testing.T) {
			if caps.Features&p.needs != p.needs {
				t.Fatalf("this kernel cannot do it: features %b", caps.Features)
			}
			for i, h := range hosts {
				at := *h
				at.t = t
				kernellive.Apply(t, h.b, kernel.Continue, kernel.Op{Kind: kernel.FlushSAs}, kernel.Op{Kind: kernel.FlushPolicies})
				kernellive.Apply(t, h.b, kernel.Rollback, p.ops(i)...)
				if p.onWire == 17 {
					at.encapPort(p.outer[i])
				}
				wires[i].all() // what is left of the last
			}
			for i := range hosts {
				p.carry(t, hosts, i)
				frames := wires[i].all()
				if len(frames) == 0 {
					t.Error("nothing on the link")
				}
				for _, f := range frames {
					if proto := protoOf(f); proto != p.onWire {
						t.Errorf("IP protocol %d on the link, want %d", proto, p.onWire)
					}
					if is4 := f[sizeEther]>>4 == 4; is4 != p.outer[0].Is4() {
						t.Errorf("IPv4 on the link: %v", is4)
					}
				}
				p.checkCounters(t, hosts, i)
			}
		})
	}
}

// carry sends a datagram from host i to the other.
func (p pipe) carry(t *testing.T, hosts [2]*host, i int) {
	t.Helper()
	from, to := *hosts[i], *hosts[1-i]
	from.t, to.t = t, t
	server := to.listen(netip.AddrPortFrom(p.inner[1-i], 7000))
	client := from.listen(netip.AddrPortFrom(p.inner[i], 0))
	sent := bytes.Repeat([]byte("compressible "), 60)
	if _, err := client.WriteToUDPAddrPort(sent, netip.AddrPortFrom(p.inner[1-i], 7000)); err != nil {
		t.Fatal(err)
	}
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 2*len(sent))
	if n, err := server.Read(got); err != nil || !bytes.Equal(got[:n], sent) {
		t.Fatalf("host %d got %q, %v", 1-i, got[:n], err)
	}
}

// checkCounters asks both hosts about the SAs from host i.
func (p pipe) checkCounters(t *testing.T, hosts [2]*host, i int) {
	t.Helper()
	var keys []kernel.Key
	for _, sa := range p.sas(i, kernel.Out) {
		keys = append(keys, sa.Key)
	}
	for h, host := range hosts {
		stats, err := host.b.Query(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for n, s := range stats {
			if !s.Found || s.Packets != 1 || s.Bytes == 0 || s.FirstUse.IsZero() || s.ReplayErrors+s.IntegrityErrors != 0 {
				t.Errorf("host %d, %s: %+v, want one packet", h, describeKey(keys[n]), s)
			}
		}
	}
}

// TestTheReplayWindowIsAsWideAsItSays takes packets off the link, forgets that the
// receiver saw them, and hands them to it in another order.
func TestTheReplayWindowIsAsWideAsItSays(t *testing.T) {
	hosts, _ := twoHosts(t)
	link, injected := hosts[0].wire(), hosts[0].wire()
	// What is asked and what is made of it: see appendReplay.
	for asked, window := range map[uint32]int{1: 32, 32: 32, 33: 64, 100: 128, 4096: 4096} {
		t.Run(fmt.Sprint(asked), func(t *testing.T) {
			p := pipe{protos: []uint8{protoESP}, mode: kernel.ModeTunnel, outer: outer4, inner: inner4, change: func(sa *kernel.SA) {
				sa.ReplayWindow = asked
			}}
			for i, h := range hosts {
				kernellive.Apply(t, h.b, kernel.Continue, kernel.Op{Kind: kernel.FlushSAs}, kernel.Op{Kind: kernel.FlushPolicies})
				kernellive.Apply(t, h.b, kernel.Rollback, p.ops(i)...)
			}
			from := *hosts[0]
			from.t = t
			client := from.listen(netip.AddrPortFrom(inner4[0], 0))
			link.all()
			var frames [][]byte // frames[n] has sequence number n+1
			for range window + 8 {
				if _, err := client.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(inner4[1], 7000)); err != nil {
					t.Fatal(err)
				}
				frames = append(frames, link.next())
			}
			sa := p.sas(0, kernel.In)[0]
			kernellive.Apply(t, hosts[1].b, kernel.Stop, kernel.Op{Kind: kernel.DeleteSA, SA: sa}, kernel.Op{Kind: kernel.AddSA, SA: sa})
			last := len(frames) - 1
			// The newest, the oldest that fits beside it, one too old, and each again.
			for _, n := range []int{last, last - window + 1, last - window, last, last - window + 1, last - 1} {
				injected.send(frames[n])
			}
			if stats := waitForPackets(t, hosts[1].b, sa.Key, 3+3); stats.Packets != 3 || stats.ReplayErrors != 3 {
				t.Errorf("%d packets taken, %d refused as replayed; want 3 and 3", stats.Packets, stats.ReplayErrors)
			}
			list := kernellive.Dump(t, hosts[1].b, kernel.DumpFilter{SAs: true})
			if n := slices.IndexFunc(list, func(o kernel.Object) bool { return o.SA.Key.SPI == sa.Key.SPI }); list[n].SA.ReplayWindow != uint32(window) {
				t.Errorf("the dump says %d", list[n].SA.ReplayWindow)
			}
		})
	}
}

// waitForPackets waits until an SA has seen so many packets, good or bad.
func waitForPackets(t *testing.T, b *Backend, k kernel.Key, packets uint64) kernel.Stats {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		stats, err := b.Query(t.Context(), []kernel.Key{k})
		if err != nil {
			t.Fatal(err)
		}
		if s := stats[0]; s.Packets+s.ReplayErrors+s.IntegrityErrors >= packets || time.Now().After(end) {
			return s
		}
	}
}

// TestEndsThatCutTheICVOtherwiseAreCounted is SHA2-256 with 96 bits at one end and
// 128 at the other: up, and no traffic.
func TestEndsThatCutTheICVOtherwiseAreCounted(t *testing.T) {
	hosts, _ := twoHosts(t)
	for i, h := range hosts {
		p := pipe{protos: []uint8{protoESP}, mode: kernel.ModeTunnel, outer: outer4, inner: inner4, change: func(sa *kernel.SA) {
			if i == 1 {
				sa.Auth.Trunc = 96
			}
		}}
		kernellive.Apply(t, h.b, kernel.Rollback, p.ops(i)...)
		if i == 0 {
			continue
		}
		client := hosts[0].listen(netip.AddrPortFrom(inner4[0], 0))
		if _, err := client.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(inner4[1], 7000)); err != nil {
			t.Fatal(err)
		}
		if s := waitForPackets(t, h.b, p.sas(0, kernel.In)[0].Key, 1); s.Packets != 0 || s.IntegrityErrors != 1 {
			t.Errorf("%+v, want one packet whose ICV is wrong", s)
		}
	}
}

// TestAMovedPeerIsReported: ESP in UDP comes from another port than the SA has.
func TestAMovedPeerIsReported(t *testing.T) {
	hosts, _ := twoHosts(t)
	p := pipe{protos: []uint8{protoESP}, mode: kernel.ModeTunnel, outer: outer4, inner: inner4, change: func(sa *kernel.SA) {
		sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500}
	}}
	for i, h := range hosts {
		kernellive.Apply(t, h.b, kernel.Rollback, p.ops(i)...)
		h.encapPort(outer4[i])
	}
	next := kernellive.Subscribe(t, hosts[1].b)
	link := hosts[0].wire()
	client := hosts[0].listen(netip.AddrPortFrom(inner4[0], 0))
	if _, err := client.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(inner4[1], 7000)); err != nil {
		t.Fatal(err)
	}
	frame := link.next()
	sa := p.sas(0, kernel.In)[0]
	waitForPackets(t, hosts[1].b, sa.Key, 1)
	kernellive.Apply(t, hosts[1].b, kernel.Stop, kernel.Op{Kind: kernel.DeleteSA, SA: sa}, kernel.Op{Kind: kernel.AddSA, SA: sa})
	const sizeUDP = 8
	moved := hosts[0].listen(netip.AddrPortFrom(outer4[0], 30033))
	if _, err := moved.WriteToUDPAddrPort(payloadOf(frame)[sizeUDP:], netip.AddrPortFrom(outer4[1], 4500)); err != nil {
		t.Fatal(err)
	}
	ev := next(kernel.Mapping)
	if ev.Key.SPI != sa.Key.SPI || ev.Key.Dst != sa.Key.Dst || ev.Key.Src != outer4[0] || ev.NewRemote != netip.AddrPortFrom(outer4[0], 30033) {
		t.Errorf("%+v, want the SA and %v:30033", ev, outer4[0])
	}
}

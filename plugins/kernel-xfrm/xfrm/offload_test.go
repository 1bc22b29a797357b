//go:build linux

package xfrm

import (
	"encoding/hex"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// withLink gives b one interface, eth7 with the index 7. (XFRM_MSG_GETSA and
// RTM_GETLINK have one number, so it is a kernel of its own.)
func withLink(t *testing.T, b *Backend) *fakeKernel {
	k := newFakeKernel(t)
	b.route.dial = k.dial
	body := make([]byte, sizeIfInfo)
	native.PutUint32(body[ifInfoIndex:], 7)
	body = appendAttr(body, unix.IFLA_IFNAME, []byte("eth7\x00"))
	k.handler[unix.RTM_GETLINK] = func(req []netlink.Message) ([]netlink.Message, error) {
		attrs, _ := netlink.UnmarshalAttributes(req[0].Data[sizeIfInfo:])
		if native.Uint32(req[0].Data[ifInfoIndex:]) != 7 && (len(attrs) != 1 || string(attrs[0].Data) != "eth7\x00") {
			return nltest.Error(int(syscall.ENODEV), req)
		}
		return reply(req[0], unix.RTM_NEWLINK, body), nil
	}
	return k
}

func TestAnInterfaceIsAskedToDoTheWorkOfAnSA(t *testing.T) {
	for _, tt := range []struct {
		name string
		dir  kernel.Direction
		v6   bool
		want string // xfrm_user_offload
	}{
		{"in", kernel.In, false, "0700000002000000"},
		{"out", kernel.Out, false, "0700000000000000"},
		{"in, IPv6", kernel.In, true, "0700000003000000"},
		{"out, IPv6", kernel.Out, true, "0700000001000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t)
			sa := goldenSAs()["esp-gcm8-out"]
			sa.Dir, sa.Offload = tt.dir, "eth7"
			if tt.v6 {
				sa.Key.Src, sa.Key.Dst = v6a, v6b
			}
			b := k.backend()
			withLink(t, b)
			kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
			body := k.sent()[0].Data
			if got := parseMessage(t, msgNewSA, body, sizeSAInfo).Attrs[attrOffload]; got != tt.want {
				t.Errorf("XFRMA_OFFLOAD_DEV %s, want %s", got, tt.want)
			}
			k.handler[msgGetSA] = func(req []netlink.Message) ([]netlink.Message, error) {
				m := reply(req[0], msgNewSA, body)
				return nltest.Multipart(append(m, netlink.Message{Header: netlink.Header{Sequence: req[0].Header.Sequence}}))
			}
			if list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(list) != 1 || list[0].SA.Offload != "eth7" {
				t.Errorf("dump %+v, want offload to eth7", list)
			}
		})
	}
}

func TestOffloadToNoInterfaceIsAnError(t *testing.T) {
	k := newFakeKernel(t)
	b := k.backend()
	withLink(t, b)
	sa := goldenSAs()["esp-gcm8-out"]
	sa.Offload = "eth8"
	r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
	if r.Err == nil || r.Err.Reason != errs.NotFound {
		t.Errorf("%v, want NotFound", r.Err)
	}
	if sent := typesOf(k.sent()); len(sent) != 0 {
		t.Errorf("sent %v: the SA was made all the same", sent)
	}
}

// A kernel that does not look at the attribute takes flags that do not exist, and
// one that has no module for it takes none.
func TestOffloadIsAFeatureOfKernelsThatHeedIt(t *testing.T) {
	for _, tt := range []struct {
		name        string
		wrong, good syscall.Errno
		want        bool
	}{
		{"heeds it", syscall.EINVAL, 0, true},
		{"ignores it", 0, 0, false},
		{"lacks the module", syscall.EINVAL, syscall.EINVAL, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t)
			k.handler[msgNewSA] = func(req []netlink.Message) ([]netlink.Message, error) {
				var errno syscall.Errno
				switch parseMessage(t, msgNewSA, req[0].Data, sizeSAInfo).Attrs[attrOffload] {
				case hex.EncodeToString(offload(1, 0x80)):
					errno = tt.wrong
				case hex.EncodeToString(offload(1, offloadInbound)):
					errno = tt.good
				}
				return nltest.Error(int(errno), req)
			}
			k.remembers(whole)
			caps, err := k.unprobed().Capabilities(t.Context())
			if got := caps.Features&kernel.FeatOffload != 0; err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestAConfiguredInterfaceDoesTheWorkWhereItCan(t *testing.T) {
	for _, tt := range []struct {
		name   string
		heeded bool
		change func(*kernel.SA)
		want   bool
	}{
		{"ESP", true, func(*kernel.SA) {}, true},
		{"a kernel that cannot", false, func(*kernel.SA) {}, false},
		{"ESP in UDP", true, func(sa *kernel.SA) { sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500} }, false},
		{"AH", true, func(sa *kernel.SA) { sa.Key.Proto, sa.Encr, sa.Auth = protoAH, nil, counting(2, 20, 0) }, false},
		{"an SA that is neither in nor out", true, func(sa *kernel.SA) { sa.Dir = 0 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t)
			b := k.unprobed()
			b.cfg.Offload = "eth7"
			withLink(t, b)
			k.handler[msgNewSA] = func(req []netlink.Message) ([]netlink.Message, error) {
				if tt.heeded && parseMessage(t, msgNewSA, req[0].Data, sizeSAInfo).Attrs[attrOffload] == hex.EncodeToString(offload(1, 0x80)) {
					return nltest.Error(int(syscall.EINVAL), req)
				}
				return nltest.Error(0, req)
			}
			k.remembers(whole)
			sa := goldenSAs()["esp-gcm8-out"]
			tt.change(sa)
			kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
			sent := k.sent()
			attrs := parseMessage(t, msgNewSA, sent[len(sent)-1].Data, sizeSAInfo).Attrs
			if _, got := attrs[attrOffload]; got != tt.want {
				t.Errorf("offload asked for: %v, want %v", got, tt.want)
			}
		})
	}
}

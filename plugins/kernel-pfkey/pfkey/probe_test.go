package pfkey

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Linux registers what it cannot do; there an SA of each protocol is tried, and does not stay.
func TestProtocolsAreAskedForNotAssumed(t *testing.T) {
	protocols := kernel.FeatESP | kernel.FeatAH | kernel.FeatIPComp | kernel.FeatNATT | kernel.FeatTunnel | kernel.FeatTransport
	lacks := func(satype uint8, errno syscall.Errno) func([]byte) [][]byte {
		return func(req []byte) [][]byte {
			if req[hdrSAType] == satype {
				return [][]byte{refusalOf(req, errno)}
			}
			return [][]byte{req}
		}
	}
	for _, tt := range []struct {
		name string
		sys  System
		typ  uint8
		f    func([]byte) [][]byte
		want kernel.Feature
	}{
		{"Linux has all", linux(), msgAdd, nil, protocols},
		{"Linux without ESP", linux(), msgAdd, lacks(saTypeESP, syscall.EPROTONOSUPPORT), protocols &^ (kernel.FeatESP | kernel.FeatNATT)},
		{"an SPI in use", linux(), msgAdd, lacks(saTypeAH, syscall.EEXIST), protocols},
		{"FreeBSD has all", freebsd(), msgRegister, nil, protocols},
		{"FreeBSD without IPComp", freebsd(), msgRegister, lacks(saTypeIPComp, syscall.EINVAL), protocols &^ kernel.FeatIPComp},
	} {
		k := newFakeKernel(t, tt.sys)
		k.handler[tt.typ] = tt.f
		c, err := k.backend().Capabilities(t.Context())
		if err != nil || c.Features&protocols != tt.want || c.ReplayWindowMax != tt.sys.Replay.Max {
			t.Errorf("%s: features %b, want %b, %v", tt.name, c.Features&protocols, tt.want, err)
		}
		made, deleted := 0, 0
		for _, typ := range k.types() {
			made += map[uint8]int{msgAdd: 1}[typ]
			deleted += map[uint8]int{msgDelete: 1}[typ]
		}
		if want := map[bool]int{true: 3}[tt.sys.Priming]; made != want || want != 0 && tt.f == nil && deleted != made {
			t.Errorf("%s: %d SAs made, %d deleted", tt.name, made, deleted)
		}
	}
}

func TestWhatASystemHasMoreIsAnnouncedThereOnly(t *testing.T) {
	const more = kernel.FeatESN | kernel.FeatUpdateAddresses
	older := freebsd()
	older.fit("12.4-RELEASE")
	for name, tt := range map[string]struct {
		s    System
		want kernel.Feature
	}{
		"linux": {linux(), 0}, "freebsd": {freebsd(), more}, "freebsd 12": {older, kernel.FeatUpdateAddresses}, "netbsd": {netbsd(), 0}, "darwin": {darwin(), 0},
	} {
		c, err := newFakeKernel(t, tt.s).backend().Capabilities(t.Context())
		if err != nil || c.Features&more != tt.want {
			t.Errorf("%s: features %b, want %b, %v", name, c.Features&more, tt.want, err)
		}
	}
}

func TestAKernelWithoutIPsecIsRefusedWithASentence(t *testing.T) {
	k := newFakeKernel(t, netbsd())
	k.fail(msgRegister, syscall.EINVAL)
	b := k.backend()
	if _, err := b.Capabilities(t.Context()); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) ||
		err.Error() != "UNSUPPORTED: probe the kernel's IPsec: this kernel registers neither ESP nor AH: build a kernel with options IPSEC" {
		t.Errorf("%v", err)
	}
	// It may be there the next time.
	delete(k.handler, msgRegister)
	if c, err := b.Capabilities(t.Context()); err != nil || c.Features&kernel.FeatESP == 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSPIsAreReservedEachOnItsOwn(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	good := kernel.SPIRequest{Src: peer, Dst: own, Proto: protoESP, Min: 0x1234, Max: 0x1234}
	bad, reserved, cpi := good, good, kernel.SPIRequest{Src: peer, Dst: own, Proto: protoIPComp}
	bad.Proto, reserved.Min = 6, 0xff
	res, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{good, bad, reserved, cpi})
	if err != nil || len(res) != 4 || res[0].SPI != 0x1234 || res[1].Err == nil || res[1].Err.Reason != errs.Unsupported ||
		res[2].Err == nil || res[2].Err.Reason != errs.Invalid || res[3].SPI != minSPI {
		t.Errorf("%+v, %v", res, err)
	}
	if got := k.types(); !slices.Equal(got, []uint8{msgGetSPI, msgGetSPI}) {
		t.Errorf("the kernel was sent %v", got)
	}
	k.fail(msgGetSPI, syscall.ENOENT)
	if res, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{good}); err != nil || res[0].Err == nil || res[0].Err.Errno != int(syscall.ENOENT) {
		t.Errorf("a full range: %+v, %v", res, err)
	}
}

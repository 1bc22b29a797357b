//go:build linux

package xfrm

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func TestAKernelWithoutAProtocolIsToldWhatItNeeds(t *testing.T) {
	for _, tt := range []struct {
		proto uint8
		dst   string
		want  string
	}{
		{protoESP, "192.0.2.1", "this kernel has no ESP for IPv4; load the module esp4, or use a kernel with CONFIG_INET_ESP: protocol not supported"},
		{protoAH, "2001:db8::1", "this kernel has no AH for IPv6; load the module ah6, or use a kernel with CONFIG_INET6_AH: protocol not supported"},
		{protoIPComp, "192.0.2.1", "this kernel has no IPComp for IPv4; load the module ipcomp, or use a kernel with CONFIG_INET_IPCOMP: protocol not supported"},
	} {
		e := errs.From(missingPart(kernel.UpdateSA, kernel.Key{Proto: tt.proto, Dst: netip.MustParseAddr(tt.dst)}, syscall.EPROTONOSUPPORT))
		if e.Msg != tt.want || e.Reason != errs.Unsupported {
			t.Errorf("%v, want %s", e, tt.want)
		}
	}
}

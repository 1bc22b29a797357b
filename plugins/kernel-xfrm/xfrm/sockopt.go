//go:build linux

package xfrm

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// SocketOptions: a policy of the socket's own that lets IKE pass in clear, in both
// directions, whatever the SPD says; and ESP in UDP taken off by the kernel on
// the NAT-T socket.
func (b *Backend) SocketOptions(_ context.Context, role kernel.SocketRole, family kernel.Family) (kernel.SocketSetup, error) {
	var setup kernel.SocketSetup
	if role != kernel.SocketIKE && role != kernel.SocketNATT {
		return setup, unsupported("socket role %d", role)
	}
	level, name, af := unix.SOL_IP, unix.IP_XFRM_POLICY, uint16(syscall.AF_INET)
	doc := "IP_XFRM_POLICY"
	switch family {
	case kernel.IPv4:
	case kernel.IPv6:
		level, name, af = unix.SOL_IPV6, unix.IPV6_XFRM_POLICY, syscall.AF_INET6
		doc = "IPV6_XFRM_POLICY"
	default:
		return setup, unsupported("address family %d", family)
	}
	for _, dir := range []struct {
		number byte
		name   string
	}{{dirIn, "in"}, {dirOut, "out"}} {
		setup.Options = append(setup.Options, kernel.SocketOption{
			Level: level, Name: name, Value: allowPolicy(dir.number, af),
			Privileged: true, Required: true, Doc: doc + " " + dir.name + " allow",
		})
	}
	if role == kernel.SocketNATT {
		setup.Options = append(setup.Options, kernel.SocketOption{
			Level: unix.SOL_UDP, Name: unix.UDP_ENCAP,
			Value:    native.AppendUint32(nil, unix.UDP_ENCAP_ESPINUDP),
			Required: family == kernel.IPv4, // IPv6 has it since Linux 5.8 only
			Doc:      "UDP_ENCAP ESPINUDP",
		})
	}
	return setup, nil
}

// allowPolicy is an xfrm_userpolicy_info that lets everything of family pass.
func allowPolicy(dir byte, family uint16) []byte {
	b := make([]byte, sizePolicyInfo)
	native.PutUint16(b[polSel+selFamily:], family)
	putLifetime(b[polLife:], kernel.Lifetime{})
	b[polDir] = dir
	b[polAction] = actionAllow
	return b
}

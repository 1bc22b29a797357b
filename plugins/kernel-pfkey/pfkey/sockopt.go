package pfkey

import (
	"context"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Levels of socket options: IPPROTO_IP and IPPROTO_IPV6.
const (
	levelIPv4 = 0
	levelIPv6 = 41
)

// SocketOptions: a policy of the socket's own that lets IKE pass in clear, in both
// directions, whatever the SPD says; and ESP in UDP taken off by the kernel on
// the NAT-T socket.
func (b *Backend) SocketOptions(_ context.Context, role kernel.SocketRole, family kernel.Family) (kernel.SocketSetup, error) {
	return b.sys.socketSetup(role, family)
}

func (s *System) socketSetup(role kernel.SocketRole, family kernel.Family) (setup kernel.SocketSetup, err error) {
	if s.Refuse != "" {
		return setup, unsupported("%s", s.Refuse)
	}
	if role != kernel.SocketIKE && role != kernel.SocketNATT {
		return setup, unsupported("socket role %d", role)
	}
	level, name, doc := levelIPv4, s.Bypass.IPv4, "IP_IPSEC_POLICY"
	switch family {
	case kernel.IPv4:
	case kernel.IPv6:
		level, name, doc = levelIPv6, s.Bypass.IPv6, "IPV6_IPSEC_POLICY"
	default:
		return setup, unsupported("address family %d", family)
	}
	for _, dir := range []struct {
		dir  kernel.Direction
		name string
	}{{kernel.In, "in"}, {kernel.Out, "out"}} {
		setup.Options = append(setup.Options, kernel.SocketOption{
			Level: level, Name: name, Value: s.bypassPolicy(dir.dir),
			Privileged: true, Required: true, Doc: doc + " " + dir.name + " bypass",
		})
	}
	if role == kernel.SocketNATT && s.NATT.Option != 0 && (family == kernel.IPv4 || s.NATT.IPv6) {
		setup.Options = append(setup.Options, kernel.SocketOption{
			Level: s.NATT.Level, Name: s.NATT.Option, Value: native.AppendUint32(nil, espInUDP),
			Required: family == kernel.IPv4, // IPv6 has it since Linux 5.8 only
			Doc:      "UDP_ENCAP ESPINUDP",
		})
	}
	return setup, nil
}

// bypassPolicy is an x_policy without requests.
func (s *System) bypassPolicy(dir kernel.Direction) []byte {
	m := &message{sys: s}
	e := m.ext(extPolicy, sizePolicy)
	native.PutUint16(e[polType:], policyBypass)
	e[polDir] = byte(dir)
	native.PutUint32(e[polPriority:], s.Bypass.Priority)
	return e
}

package pfkey

// freebsd is FreeBSD 11.1 and later (net/pfkeyv2.h, netipsec/ipsec.h). The flag of
// extended sequence numbers means something since 13.0.
func freebsd() System {
	return System{
		Name: "freebsd", Domain: 27, Advice: "load ipsec.ko, or build a kernel with options IPSEC",
		Inet: 2, Inet6: 28, SockaddrLen: true, EmbedsScope: true,
		SASize: 16, RequestHeader: 8,
		Priorities: true, Scopes: true, MixedTunnels: true, CountsDown: true, NoSuchPolicy: 22,
		ESN: 0x400, ESNSince: 13, NewSrc: 27, NewDst: 28,
		Replay: replay{Octets: true, Ext: 26, Max: 4096},
		NATT: natt{
			Type: 20, SrcPort: 21, DstPort: 22, OrigSrc: 23, OrigDst: 24,
			Level: 17, Option: 1,
		},
		Bypass: bypassOptions{IPv4: 21, IPv6: 28},
		Encr:   numbers{{3, 3}, {6, 6}, {7, 7}, {11, 11}, {12, 12}, {13, 13}, {18, 18}, {19, 19}, {20, 20}, {22, 22}},
		Auth:   numbers{{1, 2}, {2, 3}, {5, 5}, {6, 6}, {7, 7}, {8, 8}, {9, 9}},
		Comp:   numbers{{2, 2}},
	}
}

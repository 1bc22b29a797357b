package pfkey

// darwin is xnu (net/pfkeyv2.h, netinet6/ipsec.h, with the private parts). Its
// numbers of algorithms are those of the drafts before RFC 2367.
func darwin() System {
	return System{
		Name: "darwin", Domain: 29,
		Inet: 2, Inet6: 30, SockaddrLen: true, EmbedsScope: true,
		SASize: 24, RequestHeader: 8,
		MixedTunnels: true, CountsDown: true, UseTime: lastUse, NoSuchPolicy: 22,
		Replay: replay{Octets: true, Max: 2040},
		// The port we listen on is that of the sysctl net.inet.ipsec.esp_port.
		NATT:   natt{Flag: 0x02},
		Bypass: bypassOptions{IPv4: 21, IPv6: 28},
		Encr:   numbers{{3, 2}, {6, 5}, {7, 4}, {11, 3}, {12, 12}, {20, 13}},
		Auth:   numbers{{1, 1}, {2, 2}, {5, 6}, {6, 7}, {7, 8}},
		Comp:   numbers{{2, 2}},
	}
}

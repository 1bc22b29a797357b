package pfkey

// linux is af_key (linux/pfkeyv2.h, linux/ipsec.h), which is XFRM with fewer words.
func linux() System {
	return System{
		Name: "linux", Domain: 15, Advice: "load the module af_key, or use kernel-xfrm",
		Inet: 2, Inet6: 10,
		SASize: 16, RequestHeader: 16,
		Priorities: true, Forward: true, PacketLimits: true, Priming: true,
		Replay: replay{Max: 32},
		NATT: natt{
			Type: 20, SrcPort: 21, DstPort: 22, OrigDst: 23, Mapping: 23,
			Level: 17, Option: 100, IPv6: true,
		},
		Bypass: bypassOptions{IPv4: 16, IPv6: 34, Priority: 0x80000000},
		Encr:   numbers{{3, 3}, {6, 6}, {7, 7}, {11, 11}, {12, 12}, {13, 13}, {18, 18}, {19, 19}, {20, 20}, {22, 22}, {253, 253}},
		Auth:   numbers{{1, 2}, {2, 3}, {5, 5}, {6, 6}, {7, 7}, {8, 8}, {9, 9}},
		Comp:   numbers{{2, 2}},
		// The truncation of the draft before RFC 4868, which number 5 still has.
		ICVs: numbers{{5, 96}},
	}
}

package pfkey

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A System is how one kernel speaks PF_KEY. All are compiled everywhere, so that
// the messages of each are tested on any.
type System struct {
	Name   string // GOOS
	Domain int    // PF_KEY of sys/socket.h
	Refuse string // why PF_KEY of this system cannot be used, and what to do
	Advice string // where a kernel has no PF_KEY

	Inet, Inet6 uint16
	SockaddrLen bool // sockaddrs begin with their length
	EmbedsScope bool // link-local addresses may have the interface in octets 2 and 3

	SASize        int // of SADB_EXT_SA in ADD and UPDATE
	RequestHeader int // of an x_ipsecrequest
	Priorities    bool
	Forward       bool // forwarded packets have policies of their own
	PacketLimits  bool // lifetimes in packets are kept
	MixedTunnels  bool // an SA carries IPv4 in IPv6 and the reverse
	UseTime       useTime
	LosesPorts    bool  // an SPI reserved without UDP ports cannot become an SA with them
	NoSuchPolicy  uint8 // errno of SPDDELETE for a policy that is not there, besides ENOENT and ESRCH
	Scopes        bool  // policies of interfaces are dumped too, and say so
	Priming       bool  // REGISTER lists algorithms but not protocols: those are tried out
	PadsAH        bool  // over IPv4 too the ICV of AH is padded to 8 octets, where everybody else has 4 (RFC 4302 section 2.6)
	CountsDown    bool  // dumps are numbered down to 0; else up, and the last is 0

	ESN            uint32 // flag of SAs with extended sequence numbers; 0: there are none
	ESNSince       int    // major release that has them first
	NewSrc, NewDst uint16 // extensions of UPDATE that move an SA; 0: none can be moved

	Replay replay
	NATT   natt
	Bypass bypassOptions

	Encr, Auth, Comp numbers
	ICVs             numbers // bits of authentication algorithms that are not the standard's
}

// useTime is what the use time of an SA tells.
type useTime uint8

const (
	firstUse useTime = iota
	lastUse
)

// replay is how a window is said.
type replay struct {
	Octets bool   // the field counts octets of a bitmap; else packets
	Ext    uint16 // extension for windows too large for the field, in packets; 0: there is none
	Max    uint32 // packets
}

// natt is how UDP encapsulation is said: in extensions, or in the SA itself (Darwin).
type natt struct {
	Type, SrcPort, DstPort uint16 // extensions
	OrigSrc, OrigDst       uint16 // original address of the peer; OrigSrc 0: the same either way
	Flag                   uint32 // of the SA, with the peer's port in it
	Mapping                uint8  // message of a change; 0: there is none
	Level, Option          int    // socket option, value espInUDP; 0: a sysctl does it
	IPv6                   bool   // the option is of use on IPv6 sockets
}

// bypassOptions are the socket options that take an x_policy.
type bypassOptions struct {
	IPv4, IPv6 int
	Priority   uint32 // in the x_policy
}

// numbers are pairs of an IPsec DOI number and this system's.
type numbers []struct{ DOI, Own uint16 }

func (n numbers) own(doi uint16) (uint16, bool) {
	for _, p := range n {
		if p.DOI == doi {
			return p.Own, true
		}
	}
	return 0, false
}

func (n numbers) doi(own uint16) uint16 {
	for _, p := range n {
		if p.Own == own {
			return p.DOI
		}
	}
	return 0
}

func systems() []System { return []System{linux(), freebsd(), netbsd(), darwin(), openbsd()} }

// thisSystem is the one we run on.
func thisSystem() System {
	all := systems()
	if i := slices.IndexFunc(all, func(s System) bool { return s.Name == runtime.GOOS }); i >= 0 {
		all[i].fit(release())
		return all[i]
	}
	return System{Name: runtime.GOOS, Refuse: "racoon does not know how " + runtime.GOOS + " speaks PF_KEY"}
}

// fit takes away what an older release of the system does not have, and would not
// refuse.
func (s *System) fit(release string) {
	number, _, _ := strings.Cut(release, ".")
	if major, err := strconv.Atoi(number); err != nil || major < s.ESNSince {
		s.ESN = 0
	}
}

// replayField is the window as the SA's replay field has it, and as the
// extension has it if the field is too small.
func (s *System) replayField(packets uint32) (field uint8, ext uint32, err error) {
	switch {
	case packets > s.Replay.Max:
		return 0, 0, invalid("a replay window of %d packets; PF_KEY of %s has at most %d", packets, s.Name, s.Replay.Max)
	case !s.Replay.Octets:
		return uint8(packets), 0, nil
	}
	octets := (packets + 7) / 8
	if octets > 0xff {
		return 0xff, octets * 8, nil
	}
	return uint8(octets), 0, nil
}

// window is a replay field in packets.
func (s *System) window(field uint8) uint32 {
	if s.Replay.Octets {
		return uint32(field) * 8
	}
	return uint32(field)
}

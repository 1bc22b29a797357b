package capture

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Judge counts what was sent between protected networks and keeps what was
// sent in the clear.
type Judge struct {
	Protected []netip.Prefix // networks, or the hosts of transport mode

	Count   map[Kind]int
	SPIs    map[netip.Addr]map[uint32]int // frames with an SPI, by sender and SPI
	Visible map[netip.Addr]map[string]int // frames by sender and Frame.Visible, fragments but the first left out
	Longest map[netip.Addr]int            // octets of the longest of those
	Frags   map[netip.Addr]int            // IKE messages that are fragments, by sender
	Clear   []string                      // the first clear frames, described
	Cleared int                           // all clear frames

	ike map[fragment]bool // datagrams whose first fragment was IKE or ESP in UDP
}

type fragment struct {
	src, dst netip.Addr
	id       uint32
}

const keepClear = 5

// NewJudge of the traffic between networks.
func NewJudge(protected ...netip.Prefix) *Judge {
	return &Judge{Protected: protected, Count: make(map[Kind]int), SPIs: make(map[netip.Addr]map[uint32]int),
		Visible: make(map[netip.Addr]map[string]int), Longest: make(map[netip.Addr]int), Frags: make(map[netip.Addr]int), ike: make(map[fragment]bool)}
}

// See takes one frame into account. A frame that cannot be read counts as
// clear: nobody can say that it was protected.
func (j *Judge) See(b []byte) {
	f, err := Parse(b)
	if err != nil {
		j.clear(err.Error())
		return
	}
	frag := fragment{f.Src, f.Dst, f.id}
	if f.Kind == IKE || f.Kind == ESPinUDP {
		j.ike[frag] = true
	} else if f.Rest && f.Proto == protoUDP && j.ike[frag] {
		return
	}
	j.Count[f.Kind]++
	if f.SPI != 0 {
		if j.SPIs[f.Src] == nil {
			j.SPIs[f.Src] = make(map[uint32]int)
		}
		j.SPIs[f.Src][f.SPI]++
	}
	if f.Visible != "" && !f.Rest {
		if j.Visible[f.Src] == nil {
			j.Visible[f.Src] = make(map[string]int)
		}
		j.Visible[f.Src][f.Visible]++
		j.Longest[f.Src] = max(j.Longest[f.Src], f.Len)
	}
	if f.IKEFrag {
		j.Frags[f.Src]++
	}
	if f.Kind == Other && j.protected(f) {
		j.clear(f.String())
	}
}

func (j *Judge) protected(f Frame) bool {
	src, dst := j.network(f.Src), j.network(f.Dst)
	return src >= 0 && dst >= 0 && src != dst
}

// Unlike says in what way the sender's frames are not what a policy of these
// protocols, inside first, makes of packets; it is empty if they are. A packet
// that does not get smaller comes without IPComp (RFC 3173 §2.2).
func (j *Judge) Unlike(from netip.Addr, protocols string) string {
	want := protocols
	if i := strings.Index(want, "esp"); i >= 0 { // what is inside cannot be seen
		want = want[i:]
	}
	small := strings.TrimPrefix(want, "ipcomp+")
	if n := j.Visible[from][want]; n == 0 {
		return fmt.Sprintf("none of the frames from %s is %s: %v", from, want, j.Visible[from])
	}
	for got, n := range j.Visible[from] {
		if got != want && got != small {
			return fmt.Sprintf("%d frames from %s are %s, want %s", n, from, got, want)
		}
	}
	return ""
}

// network is the index of the protected network that has the address, or -1.
func (j *Judge) network(a netip.Addr) int {
	return slices.IndexFunc(j.Protected, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (j *Judge) clear(what string) {
	j.Cleared++
	if len(j.Clear) < keepClear {
		j.Clear = append(j.Clear, what)
	}
}

// Summary for a person.
func (j *Judge) Summary() string {
	var b strings.Builder
	var networks []string
	for _, p := range j.Protected {
		networks = append(networks, p.String())
	}
	for _, k := range []Kind{IKE, ESP, ESPinUDP, AH, IPComp, Other} {
		if n := j.Count[k]; n > 0 || k == ESP || k == IKE {
			fmt.Fprintf(&b, "%6d %s\n", n, k)
		}
	}
	fmt.Fprintf(&b, "%6d in the clear between %s\n", j.Cleared, strings.Join(networks, " and "))
	for _, c := range j.Clear {
		fmt.Fprintf(&b, "       %s\n", c)
	}
	return b.String()
}

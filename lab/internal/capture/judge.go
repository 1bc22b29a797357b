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
	SPIs    map[netip.Addr]map[uint32]int // frames with ESP, ESP in UDP or AH, by sender and SPI
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
		Frags: make(map[netip.Addr]int), ike: make(map[fragment]bool)}
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
	for _, k := range []Kind{IKE, ESP, ESPinUDP, AH, Other} {
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

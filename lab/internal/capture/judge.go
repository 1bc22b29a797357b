package capture

import (
	"fmt"
	"net/netip"
	"strings"
)

// Judge counts what was sent between two protected networks and keeps what
// was sent in the clear.
type Judge struct {
	Left, Right netip.Prefix // the two protected networks, or the two hosts of transport mode

	Count   map[Kind]int
	SPIs    map[netip.Addr]map[uint32]int // frames with ESP, or ESP in UDP, by sender and SPI
	Clear   []string                      // the first clear frames, described
	Cleared int                           // all clear frames

	ike map[fragment]bool // datagrams whose first fragment was IKE or ESP in UDP
}

type fragment struct {
	src, dst netip.Addr
	id       uint32
}

const keepClear = 5

// NewJudge of the traffic between two networks.
func NewJudge(left, right netip.Prefix) *Judge {
	return &Judge{Left: left, Right: right, Count: make(map[Kind]int), SPIs: make(map[netip.Addr]map[uint32]int), ike: make(map[fragment]bool)}
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
	if f.Kind == Other && j.protected(f) {
		j.clear(f.String())
	}
}

func (j *Judge) protected(f Frame) bool {
	return j.Left.Contains(f.Src) && j.Right.Contains(f.Dst) || j.Right.Contains(f.Src) && j.Left.Contains(f.Dst)
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
	for _, k := range []Kind{IKE, ESP, ESPinUDP, Other} {
		if n := j.Count[k]; n > 0 || k == ESP || k == IKE {
			fmt.Fprintf(&b, "%6d %s\n", n, k)
		}
	}
	fmt.Fprintf(&b, "%6d in the clear between %s and %s\n", j.Cleared, j.Left, j.Right)
	for _, c := range j.Clear {
		fmt.Fprintf(&b, "       %s\n", c)
	}
	return b.String()
}

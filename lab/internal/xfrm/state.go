// Package xfrm reads what ip(8) and /proc say of the kernel's IPsec state.
package xfrm

import (
	"bufio"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// State is one SA as "ip -s xfrm state" prints it.
type State struct {
	Src, Dst netip.Addr
	Proto    string // esp, ah, comp
	SPI      uint32
	ReqID    uint32
	Mode     string // tunnel, transport
	Keyed    bool   // has algorithms; a larval SA of an acquire or an allocated SPI has none
	Bytes    uint64
	Packets  uint64
}

func (s State) String() string {
	return fmt.Sprintf("%s -> %s %s %#08x reqid %d %s, %d packets", s.Src, s.Dst, s.Proto, s.SPI, s.ReqID, s.Mode, s.Packets)
}

// ParseStates reads the output of "ip -s xfrm state".
func ParseStates(text string) ([]State, error) {
	var all []State
	current := false // in the "lifetime current:" section
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		line := sc.Text()
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if line[0] != '\t' && line[0] != ' ' {
			s, err := parseHead(f)
			if err != nil {
				return nil, err
			}
			all, current = append(all, s), false
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("xfrm state: %q before the first SA", line)
		}
		s := &all[len(all)-1]
		var err error
		switch f[0] {
		case "proto":
			err = s.parseID(f)
		case "enc", "auth", "auth-trunc", "aead", "comp":
			s.Keyed = true
		case "lifetime":
			current = len(f) == 2 && f[1] == "current:"
		default:
			if current && strings.HasSuffix(f[0], "(bytes),") {
				err = s.parseCurrent(f)
				current = false
			}
		}
		if err != nil {
			return nil, fmt.Errorf("xfrm state: %q: %w", line, err)
		}
	}
	return all, sc.Err()
}

// parseHead reads "src A dst B".
func parseHead(f []string) (s State, err error) {
	if len(f) < 4 || f[0] != "src" || f[2] != "dst" {
		return s, fmt.Errorf("xfrm state: %q is not \"src A dst B\"", strings.Join(f, " "))
	}
	if s.Src, err = netip.ParseAddr(f[1]); err != nil {
		return s, fmt.Errorf("xfrm state: %w", err)
	}
	if s.Dst, err = netip.ParseAddr(f[3]); err != nil {
		return s, fmt.Errorf("xfrm state: %w", err)
	}
	return s, nil
}

// parseID reads "proto esp spi 0xc0ffee01(3237998081) reqid 1(0x00000001) mode tunnel".
func (s *State) parseID(f []string) error {
	for i := 0; i+1 < len(f); i += 2 {
		value, _, _ := strings.Cut(f[i+1], "(")
		switch f[i] {
		case "proto":
			s.Proto = value
		case "mode":
			s.Mode = value
		case "spi", "reqid":
			n, err := strconv.ParseUint(value, 0, 32)
			if err != nil {
				return err
			}
			if f[i] == "spi" {
				s.SPI = uint32(n)
			} else {
				s.ReqID = uint32(n)
			}
		}
	}
	return nil
}

// parseCurrent reads "252(bytes), 3(packets)".
func (s *State) parseCurrent(f []string) (err error) {
	if len(f) != 2 {
		return fmt.Errorf("want bytes and packets")
	}
	if s.Bytes, err = strconv.ParseUint(strings.TrimSuffix(f[0], "(bytes),"), 10, 64); err != nil {
		return err
	}
	s.Packets, err = strconv.ParseUint(strings.TrimSuffix(f[1], "(packets)"), 10, 64)
	return err
}

// Keyed are the SAs that can carry traffic.
func Keyed(all []State) []State {
	return slices.DeleteFunc(slices.Clone(all), func(s State) bool { return !s.Keyed })
}

// Packets that SAs towards and from an address have counted.
func Packets(all []State, addr netip.Addr) (in, out uint64) {
	for _, s := range all {
		switch addr {
		case s.Dst:
			in += s.Packets
		case s.Src:
			out += s.Packets
		}
	}
	return in, out
}

// Stat is the kernel's xfrm error counters by name.
type Stat map[string]uint64

// ParseStat reads /proc/net/xfrm_stat.
func ParseStat(text string) (Stat, error) {
	st := make(Stat)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			return nil, fmt.Errorf("xfrm_stat: %q is not a name and a number", line)
		}
		n, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("xfrm_stat: %w", err)
		}
		st[f[0]] = n
	}
	if len(st) == 0 {
		return nil, fmt.Errorf("xfrm_stat: empty")
	}
	return st, nil
}

// Risen lists the counters above their earlier value, but for those allowed to
// rise, as "XfrmInNoStates +3".
func (s Stat) Risen(before Stat, allowed ...string) []string {
	var risen []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if d := s[name] - before[name]; s[name] > before[name] && !slices.Contains(allowed, name) {
			risen = append(risen, fmt.Sprintf("%s +%d", name, d))
		}
	}
	return risen
}

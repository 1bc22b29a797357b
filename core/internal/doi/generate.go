package doi

import (
	"errors"
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// generate makes the templates a bundle of a peer's asks for (generate_policy). Each
// protocol may be there once and ESP must be, as the sainfo names a cipher. There is
// one tunnel, the innermost SA, or none; with OneMode all SAs of a bundle that is a
// tunnel say tunnel and mean that one.
func generate(props []isakmp.Proposal, our Side) ([]spd.Template, error) {
	var ts []spd.Template
	for _, p := range slices.Backward(props) { // the outermost comes first
		proto, ok := ipProtocol(p.Protocol)
		if !ok || slices.ContainsFunc(ts, func(t spd.Template) bool { return t.Proto == proto }) {
			return nil, fmt.Errorf("there is a protocol %v that no policy can be generated for", p.Protocol)
		}
		mode, err := firstMode(p, our.Encap)
		if err != nil {
			return nil, err
		}
		if mode == spd.Tunnel && len(ts) > 0 {
			if !our.OneMode || ts[0].Mode != spd.Tunnel {
				return nil, errors.New("there is a tunnel that is not the innermost SA, and no policy is generated for that")
			}
			mode = spd.Transport
		}
		ts = append(ts, spd.Template{Proto: proto, Mode: mode})
	}
	if !slices.ContainsFunc(ts, func(t spd.Template) bool { return t.Proto == ipESP }) {
		return nil, errors.New("there is no ESP, and no policy is generated for what is not encrypted")
	}
	return ts, nil
}

func ipProtocol(p isakmp.Protocol) (uint8, bool) {
	for ip, d := range protocols {
		if d == p {
			return ip, true
		}
	}
	return 0, false
}

// firstMode is the mode of the first transform that can be read.
func firstMode(p isakmp.Proposal, encap Encap) (spd.Mode, error) {
	var bad error
	for _, t := range p.Transforms {
		theirs, err := parsePhase2(p.Protocol, t)
		if err != nil {
			bad = err
			continue
		}
		for mode, n := range encapModes[encap] {
			if n == theirs.mode {
				return mode, nil
			}
		}
		bad = fmt.Errorf("the encapsulation mode is %s", word(isakmp.EncapModes, theirs.mode))
	}
	return 0, bad
}

package ike

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// configs is the content of a transaction: what one end asks for or tells, and what
// the other says to it.
type configs struct{ heard, say isakmp.Config }

func emitConfig(x *exchange) ([][]byte, error) {
	return [][]byte{x.cfgs.say.Append(nil)}, nil
}

func takeConfig(x *exchange, bodies [][]byte) error {
	c, err := isakmp.ParseConfig(slices.Clone(bodies[0]))
	if err != nil {
		return err
	}
	if x.role == responder && c.Type != isakmp.ConfigRequest && c.Type != isakmp.ConfigSet {
		return dropf(notice.UnexpectedPayload, "%v answers nothing", c.Type)
	}
	x.cfgs.heard = c
	return nil
}

// answerConfig decides what we say to a request or an order. There is no attribute
// yet that we have or take, and leaving it out is the way to say so: a REPLY has
// those that are known, an ACK those that were accepted (draft-dukes-ike-mode-cfg-02
// section 3.2).
func answerConfig(x *exchange) error {
	if x.role == initiator {
		return nil
	}
	c := x.cfgs.heard
	x.cfgs.say = isakmp.Config{Type: c.Type + 1, Identifier: c.Identifier}
	x.notice(notice.Notice{Event: notice.PeerNotify, Detail: c.String() + ", of which nothing is supported"})
	return nil
}

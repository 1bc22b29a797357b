// Package ike is the IKEv1 machine of one peer: pure, printable, and the same
// events always give the same actions. It reads no clock, draws no randomness of
// its own, opens nothing and never blocks; what it cannot do itself it asks for
// with a Call, whose Reply is an event like any other.
//
//	p := ike.New(setup)
//	for _, act := range p.Step(now, ike.Acquire{...}) { perform(act) }
//	wakeAt(p.Deadline())
//
// How to read it: scripts.go has every exchange as a table of messages. exchange.go
// plays a script: it sends our messages, checks and takes the peer's, retransmits.
// phase1.go, quick.go and informational.go have the payload handlers; quickinstall.go
// turns a quick mode into SAs. peer.go routes events, pairs.go keeps the IPsec SAs.
//
// Handlers are replayable: when one must wait for a Call it returns errWait, and
// the same step is played again from its start when the Reply has come. So they
// assign and never append, and draw randomness only when the exchange is created.
package ike

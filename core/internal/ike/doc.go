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
// plays a script: transmit.go sends our messages, again where need be, receive.go
// checks and takes the peer's; fragment.go cuts and joins large ones. dpd.go asks
// whether the peer is there. phase1.go, quick.go, informational.go and transaction.go
// have the payload handlers, natt.go and nattquick.go those of NAT traversal;
// phase1keys.go, proof.go and identity.go say who the peer is, quickanswer.go and
// generate.go what it may have, quickinstall.go turns a quick mode into SAs. peer.go
// takes events, route.go finds the exchange a datagram is for, operator.go does what
// is ordered; isakmpsa.go keeps the ISAKMP SAs and reauth.go renews them, pairs.go
// keeps the IPsec SAs and natmove.go moves them, wants.go has the wishes for more and
// keepup.go the standing ones; restore.go has what an earlier life left.
//
// Handlers are replayable: when one must wait for a Call it returns errWait, and
// the same step is played again from its start when the Reply has come. So they
// assign and never append, and draw randomness only when the exchange is created.
package ike

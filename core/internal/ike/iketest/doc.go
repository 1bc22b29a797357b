// Package iketest is a simulated world for the machine of package ike: hosts with
// a kernel, a pre-shared key table and a policy data base, joined by a network
// that loses, repeats, delays and reorders by a seed, some of them behind NAT boxes
// or narrow links, under a clock that only events move. The machines cannot tell it
// from the engine: a small registry routes by cookies, hands strangers over, and
// answers every Call, early, late, badly or, where the answer is lost, with
// "unavailable". Hosts send each other a packet a second (Send), which has the
// kernel ask for SAs, and says for every packet whether the other end could read it.
//
//	w := iketest.New(seed)
//	a, b := w.AddHost("a"), w.AddHost("b")
//	w.Connect(a, b, iketest.Options{})
//	w.Fault(iketest.Lose(3))
//	a.Acquire(b)
//	w.Run(time.Minute)
//
// Everything is deterministic: the same seed and the same calls give the same
// world, octet for octet.
package iketest

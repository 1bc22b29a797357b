// Package engine is the shell around the machines of package ike: sockets,
// admission, registry, mailboxes, timers, processors, plugin calls, the copy of the
// SPD, and the one stream of Notices. It decides who is meant and when; what to say
// to a peer is the machine's business, and no message type of the protocol beyond
// the header is known here.
//
//	e, err := engine.New(engine.Options{Config: cfg, Auth: auths, Kernel: kern, RunDir: "/run/racoon"})
//	err = e.Start(ctx)       // listening, and compared with the kernel
//	defer e.Shutdown(ctx)    // peers are told, our SAs deleted
//
// # Life of a datagram
//
// A socket's reader (socket.go) gives every datagram to receive (receive.go), which
// takes the non-ESP marker off, looks at the header and asks the registry who is
// meant by the cookies. If nobody is, admission decides, before anything is
// allocated: exchange type, token bucket of the source, remote sections, bound on
// half-open exchanges. A stranger gets a machine of its own. The datagram is posted
// to the actor's mailbox; whoever finds the actor idle starts a goroutine for it
// (actor.go, workers.go), which Steps the machine for each event in the box, performs the
// actions in order, sets the one timer to the machine's Deadline, and ends.
//
// A Send teaches the registry the cookies and leaves from the socket of its path. A
// Call becomes work in the CPU pool (cpu.go) or a plugin call (calls.go, apply.go),
// and its answer is mail again. A Handover ends the stranger: in one critical
// section of the registry its cookies point to the peer's actor, Adopt is posted
// there, and the rest of its mailbox follows.
//
// # Life of an acquire
//
// The kernel backend's stream of events (kernel.go) is read by one goroutine at a
// time; the first event is Ready, upon which SPD and SAD are dumped and compared.
// An Acquire is looked up in our copy of the SPD (acquire.go): policy, end points,
// remote section by address, PeerKey, machine, which is made if it is the first wish
// for that peer. The machine negotiates; it asks for SPIs and for SAs by Calls.
// Before an Apply goes to the kernel its SAs are in the registry, so that an expiry
// may overtake the answer, and in the ledger, so that a later racoon can clean up.
// AcquireDone tells the kernel how it ended.
//
// # Life of a reload
//
// The sockets come first: what cannot be listened on is rejected. Then the new snapshot
// is compared with the old one (policy.NewPlan), and each actor is looked at once
// (succession.go): by its section, and by its address among the few sections that are new
// or changed. Those the change does not concern get no mail. An actor that is made
// meanwhile looks at the snapshot again once it is entered (catchUp).
//
// # Who owns what
//
// A machine and its timer belong to the goroutine that drains its mailbox. The
// registry has one mutex over all its maps and calls nobody while holding it. The
// SPD copy, the ledger, the sockets have a lock each; none is held during a call
// to a plugin or into a machine. Goroutines that live long (readers, the kernel's
// events, address changes, plugin watches) are waited for at the end; the others
// end with the call they make.
package engine

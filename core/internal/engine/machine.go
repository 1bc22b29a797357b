package engine

import (
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

// machine is all the engine knows of a protocol: the seam where IKEv2 will come
// in. Only one goroutine at a time is inside a machine.
type machine interface {
	// Step tells the machine one thing and returns what is now to be done.
	Step(now time.Time, ev ike.Event) []ike.Action
	// Deadline is when the machine wants its next Wake, zero for never.
	Deadline() time.Time
	Status(now time.Time) ike.Status
	// Done reports whether nothing is left, so that the machine may be dropped.
	Done() bool
}

func newIKEv1(s ike.Setup) machine { return ike.New(s) }

package ike

import (
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// fitESN asks, for a section with sequence numbers of 64 bits, whether the kernel back
// end has them. Without, a section that only prefers them goes on as one that has them
// off, and one that insists on them fails here, before anything is said or reserved.
func (x *exchange) fitESN() error {
	q := x.qm
	if q.sainfo.ESN == policy.Off {
		return nil
	}
	has, err := q.hasESN.await(x, HasESN{})
	if err != nil || has {
		return err
	}
	if q.sainfo.ESN == policy.Force {
		err := failf(notice.Unsupported, "esn force: the kernel back end has no sequence numbers of 64 bits")
		if x.role == responder {
			return &NotifyError{isakmp.NotifyNoProposalChosen, notice.Unsupported, err}
		}
		return err
	}
	s := *q.sainfo
	s.ESN = policy.Off
	q.sainfo = &s
	return nil
}

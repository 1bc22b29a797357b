package ike

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// hashOf is HASH_I or HASH_R (RFC 2409 section 5).
func (x *exchange) hashOf(by role, skeyid secret.Bytes, id []byte) []byte {
	f := x.p1
	hash, _, _ := f.suite()
	if by == initiator {
		return oakley.HashI(hash, skeyid, f.gxi, f.gxr, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
	}
	return oakley.HashR(hash, skeyid, f.gxi, f.gxr, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
}

// emitAuth is our proof. Nobody has proved anything yet, or one key is left.
func emitAuth(x *exchange) ([][]byte, error) {
	cands, err := x.candidates()
	if err != nil {
		return nil, err
	}
	proof := x.hashOf(x.role, cands[0].SKEYID, *x.own(&x.p1.idii, &x.p1.idir))
	x.p1.settle(0)
	return [][]byte{proof}, nil
}

// takeAuth verifies the peer's proof; only then its identity means something.
func takeAuth(x *exchange, bodies [][]byte) error {
	cands, err := x.candidates()
	if err != nil {
		return err
	}
	id := *x.peers(&x.p1.idii, &x.p1.idir)
	right := slices.IndexFunc(cands, func(c SKEYIDCandidate) bool {
		return oakley.Equal(x.hashOf(x.role.other(), c.SKEYID, id), bodies[0])
	})
	if right < 0 {
		return dropf(notice.BadHash, "HASH_%v does not verify", x.role.other())
	}
	x.p1.settle(right)
	return x.identify()
}

package ike

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// A proof is what one end of phase 1 shows: the hash that only who has the SKEYID
// can compute, over the body of its ID payload among others.
type proof func(x *exchange, by role, skeyid secret.Bytes, id []byte) []byte

// hashOf is HASH_I or HASH_R (RFC 2409 section 5).
func hashOf(x *exchange, by role, skeyid secret.Bytes, id []byte) []byte {
	f := x.p1
	hash, _, _ := f.suite()
	if by == initiator {
		return oakley.HashI(hash, skeyid, f.gxi, f.gxr, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
	}
	return oakley.HashR(hash, skeyid, f.gxi, f.gxr, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
}

// baseHashOf are those of base mode: its HASH_I does not know g^xr yet.
func baseHashOf(x *exchange, by role, skeyid secret.Bytes, id []byte) []byte {
	if by == responder {
		return hashOf(x, by, skeyid, id)
	}
	f := x.p1
	hash, _, _ := f.suite()
	return oakley.BaseHashI(hash, skeyid, f.gxi, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
}

// emit is our proof. Nobody has proved anything yet, or one key is left.
func (prove proof) emit(x *exchange) ([][]byte, error) {
	cands, err := x.candidates()
	if err != nil {
		return nil, err
	}
	hash := prove(x, x.role, cands[0].SKEYID, *x.own(&x.p1.idii, &x.p1.idir))
	x.p1.settle(0)
	return [][]byte{hash}, nil
}

// take verifies the peer's proof; only then its identity means something.
func (prove proof) take(x *exchange, bodies [][]byte) error {
	cands, err := x.candidates()
	if err != nil {
		return err
	}
	id := *x.peers(&x.p1.idii, &x.p1.idir)
	right := slices.IndexFunc(cands, func(c SKEYIDCandidate) bool {
		return oakley.Equal(prove(x, x.role.other(), c.SKEYID, id), bodies[0])
	})
	if right < 0 {
		return dropf(notice.BadHash, "HASH_%v does not verify", x.role.other())
	}
	x.p1.settle(right)
	return x.identify()
}

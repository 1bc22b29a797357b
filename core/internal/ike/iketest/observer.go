package iketest

import (
	"fmt"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// observer opens sealed messages from what it sees on the wire and what the
// services computed. It knows the protocol by itself: if a machine derived a key
// or chained an IV in another way, its messages stay sealed in the transcript.
type observer struct {
	gxy    map[string][]byte // by public value
	skeyid map[string][]byte // by host and CKY-I, the first candidate
	sas    map[isakmp.Cookie]*observed
	opened map[[8]byte]string
}

// observed is an ISAKMP SA as the wire shows it.
type observed struct {
	initiator *Host
	ckyR      isakmp.Cookie
	hash      oakley.Hash
	cipher    oakley.Cipher
	bits      uint16
	gxi, gxr  []byte
	ivs       map[uint32][]byte
	lastBlock []byte // of phase 1

}

func newObserver() observer {
	return observer{map[string][]byte{}, map[string][]byte{}, map[isakmp.Cookie]*observed{}, map[[8]byte]string{}}
}

func (t *Transcript) shared(public, gxy []byte) {
	if t != nil {
		t.obs.gxy[string(public)] = append([]byte(nil), gxy...)
	}
}

func (t *Transcript) skeyid(h *Host, req ike.DeriveSKEYIDs, skeyid []byte) {
	if t == nil {
		return
	}
	if id := h.Name + req.ExchangeID; t.obs.skeyid[id] == nil {
		t.obs.skeyid[id] = append([]byte(nil), skeyid...)
	}
}

// describe is one line about a datagram.
func (o *observer) describe(from *Host, data []byte) string {
	d := digest(data)
	if s, ok := o.opened[d]; ok {
		return s
	}
	s := o.open(from, data)
	o.opened[d] = s
	return s
}

func (o *observer) open(from *Host, data []byte) string {
	h, err := isakmp.ParseHeader(data)
	if err != nil {
		return fmt.Sprintf("(%d octets: %v)", len(data), err)
	}
	sa := o.sas[h.CkyI]
	if sa == nil {
		sa = &observed{initiator: from, ivs: map[uint32][]byte{}}
		o.sas[h.CkyI] = sa
	}
	if !h.CkyR.IsZero() {
		sa.ckyR = h.CkyR
	}
	if h.Flags&isakmp.FlagEncryption == 0 {
		_, ps, err := isakmp.ParseMessage(data)
		if err != nil {
			return fmt.Sprintf("%v (%v)", h, err)
		}
		if isPhase1(h.Exchange) {
			sa.see(from, h, ps)
		}
		return isakmp.DescribeMessage(h, ps)
	}
	ps := o.decrypt(sa, from, h, data)
	if ps == nil {
		return fmt.Sprintf("%v sealed(%d)", h, len(data)-isakmp.HeaderLen)
	}
	return isakmp.DescribeMessage(h, ps)
}

// see learns from a clear message of phase 1.
func (sa *observed) see(from *Host, h isakmp.Header, ps []isakmp.Payload) {
	for _, p := range ps {
		switch p.Type {
		case isakmp.PayloadSA:
			s, err := isakmp.ParseSA(p.Body)
			if err != nil || h.CkyR.IsZero() {
				continue
			}
			for _, a := range s.Proposals[0].Transforms[0].Attrs {
				switch v, _ := a.Uint(); a.Type {
				case isakmp.AttrHash:
					sa.hash = oakley.Hash(v)
				case isakmp.AttrEncryption:
					sa.cipher = oakley.Cipher(v)
				case isakmp.AttrKeyLength:
					sa.bits = uint16(v)
				}
			}
		case isakmp.PayloadKE:
			if from == sa.initiator {
				sa.gxi = p.Body
			} else {
				sa.gxr = p.Body
			}
		}
	}
}

func (o *observer) decrypt(sa *observed, from *Host, h isakmp.Header, data []byte) []isakmp.Payload {
	gxy, skeyid := o.gxy[string(sa.gxi)], o.skeyid[from.Name+h.CkyI.String()]
	if gxy == nil {
		gxy = o.gxy[string(sa.gxr)]
	}
	octets, err := sa.cipher.KeyLen(sa.bits)
	if gxy == nil || skeyid == nil || err != nil {
		return nil
	}
	// Copies: what the machines hold is not to be disturbed.
	keys := oakley.DeriveKeys(sa.hash, secret.New(append([]byte(nil), skeyid...)), gxy, h.CkyI, sa.ckyR)
	cbc, err := oakley.NewCBC(sa.cipher, oakley.CipherKey(sa.hash, keys.E, octets))
	if err != nil {
		return nil
	}
	iv := sa.ivs[h.MessageID]
	switch {
	case iv != nil:
	case h.MessageID == 0:
		iv = oakley.Phase1IV(sa.hash, sa.cipher, sa.gxi, sa.gxr)
	case sa.lastBlock == nil: // phase 1 has ended in clear
		iv = oakley.Phase2IV(sa.hash, sa.cipher, oakley.Phase1IV(sa.hash, sa.cipher, sa.gxi, sa.gxr), h.MessageID)
	default:
		iv = oakley.Phase2IV(sa.hash, sa.cipher, sa.lastBlock, h.MessageID)
	}
	plain, next, err := cbc.Decrypt(iv, data[isakmp.HeaderLen:h.Length])
	if err != nil {
		return nil
	}
	ps, rest, err := isakmp.ParseChain(h.Next, plain)
	if err != nil {
		return nil
	}
	if h.MessageID == 0 {
		sa.lastBlock = next
	} else if len(ps) > 0 && ps[0].Type == isakmp.PayloadHASH && !o.hashFits(sa, keys, h, ps, plain, rest) {
		ps = append(ps[:len(ps):len(ps)], isakmp.Payload{Type: 255})
	}
	sa.ivs[h.MessageID] = next
	return ps
}

// hashFits verifies HASH(1), the only one that covers nothing but the message.
func (o *observer) hashFits(sa *observed, keys oakley.Keys, h isakmp.Header, ps []isakmp.Payload, plain, pad []byte) bool {
	if sa.ivs[h.MessageID] != nil {
		return true
	}
	rest := plain[4+len(ps[0].Body) : len(plain)-len(pad)]
	return oakley.Equal(oakley.Hash1(sa.hash, keys.A, h.MessageID, rest), ps[0].Body)
}

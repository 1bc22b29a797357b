package ike

import (
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
)

// role is one end of an exchange or an SA.
type role uint8

const (
	initiator role = iota + 1
	responder
)

func (r role) other() role { return initiator + responder - r }

// String is the letter the RFCs put behind HASH_ and CKY-.
func (r role) String() string { return string("?IR"[r]) }

// sealing says whether a message is encrypted.
type sealing uint8

const (
	inClear sealing = iota
	sealed          // HDR* (RFC 2409 section 3.2)
)

// A step is one message of an exchange, seen from neither end.
type step struct {
	from   role
	seal   sealing
	must   []isakmp.PayloadType                  // exactly those, in the order we send them; ID in quick mode comes in pairs
	may    []isakmp.PayloadType                  // behind them, as the handlers wish
	hash   func(x *exchange, rest []byte) []byte // HASH(n) over what follows it, in front of all
	before func(x *exchange) error               // must succeed before the message is sent
	then   func(x *exchange) error               // once it is sent, or taken
}

type script []step

// p reads as the RFCs write a message.
func p(types ...isakmp.PayloadType) []isakmp.PayloadType { return types }

const (
	SA    = isakmp.PayloadSA
	KE    = isakmp.PayloadKE
	NONCE = isakmp.PayloadNONCE
	ID    = isakmp.PayloadID
	AUTH  = isakmp.PayloadHASH // HASH_I, HASH_R; a signature method puts SIG here
	CERT  = isakmp.PayloadCERT
	CR    = isakmp.PayloadCR
	N     = isakmp.PayloadN
	D     = isakmp.PayloadD
	VID   = isakmp.PayloadVID
	NATD  = isakmp.PayloadNATD  // under the number of the version agreed on, see natVersion
	NATOA = isakmp.PayloadNATOA // the same
)

// mainMode is the identity protection exchange (RFC 2409 section 5.4).
//
//	1  I→R  HDR, SA
//	2  R→I  HDR, SA                 the cookies are exchanged, the transform is chosen
//	3  I→R  HDR, KE, Ni
//	4  R→I  HDR, KE, Nr             both derive SKEYID and its children
//	5  I→R  HDR*, IDii, HASH_I
//	6  R→I  HDR*, IDir, HASH_R      both have an ISAKMP SA
var mainMode = script{
	{from: initiator, must: p(SA), may: p(VID)},
	{from: responder, must: p(SA), may: p(VID)},
	{from: initiator, must: p(KE, NONCE), may: p(CR, NATD, VID)},
	{from: responder, must: p(KE, NONCE), may: p(CR, NATD, VID), then: deriveKeys},
	{from: initiator, seal: sealed, must: p(ID, AUTH), may: p(CERT, CR, N, VID), before: float},
	{from: responder, seal: sealed, must: p(ID, AUTH), may: p(CERT, N, VID), then: establish},
}

// phase1Scripts are the exchanges that end with an ISAKMP SA.
var phase1Scripts = map[isakmp.ExchangeType]script{
	isakmp.IdentityProtection: mainMode,
}

// quickMode negotiates IPsec SAs (RFC 2409 section 5.5). Nothing is lost: a
// responder can receive before message 2 leaves, an initiator before message 3.
//
//	1  I→R  HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr] [, NAT-OAi, NAT-OAr]
//	2  R→I  HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr] [, NAT-OAi, NAT-OAr]
//	3  I→R  HDR*, HASH(3)
var quickMode = script{
	{from: initiator, seal: sealed, hash: hash1, must: p(SA, NONCE), may: p(KE, ID, NATOA, N), before: prepareOffer},
	{from: responder, seal: sealed, hash: hash2, must: p(SA, NONCE), may: p(KE, ID, NATOA, N), before: prepareAnswer},
	{from: initiator, seal: sealed, hash: hash3, before: installInitiator, then: quickDone},
}

// informational is one message that wants no answer (RFC 2409 section 5.7).
var informational = script{
	{from: initiator, seal: sealed, hash: hash1, may: p(N, D), then: informed},
}

// A handler knows how to emit ours and how to take the peer's payloads of one
// type. emit may return none where the type is optional.
type handler struct {
	emit func(x *exchange) ([][]byte, error)
	take func(x *exchange, bodies [][]byte) error
}

// handlers of a payload type, for each exchange.
var handlers = map[isakmp.ExchangeType]map[isakmp.PayloadType]handler{
	isakmp.IdentityProtection: {
		SA:    {emitISAKMPSA, takeISAKMPSA},
		KE:    {emitKE, takeKE},
		NONCE: {emitNonce, takeNonce},
		ID:    {emitID, takeID},
		AUTH:  {emitAuth, takeAuth},
		N:     {emitPhase1Notify, takePhase1Notify},
		VID:   {emitVendorIDs, takeNothing}, // see exchange.hear
		NATD:  {emitNATD, takeNATD},
		CERT:  {emitNothing, takeNothing}, // a pre-shared key needs none
		CR:    {emitNothing, takeNothing},
	},
	isakmp.QuickMode: {
		SA:    {emitIPsecSA, takeIPsecSA},
		NONCE: {emitQuickNonce, takeQuickNonce},
		KE:    {emitQuickKE, takeQuickKE},
		ID:    {emitQuickID, takeQuickID},
		NATOA: {emitNATOA, takeNATOA},
		N:     {emitQuickNotify, takeQuickNotify},
	},
	isakmp.Informational: {
		N: {emitNotify, takeNotify},
		D: {emitDelete, takeDelete},
	},
}

// scripts is what a machine plays. It is handed to New's product rather than
// referred to by the handlers themselves, which the tables refer to.
type scripts struct {
	phase1               map[isakmp.ExchangeType]script
	quick, informational script
	handlers             map[isakmp.ExchangeType]map[isakmp.PayloadType]handler
}

func emitNothing(*exchange) ([][]byte, error) { return nil, nil }
func takeNothing(*exchange, [][]byte) error   { return nil }

// HASH(1) to HASH(3) of RFC 2409 section 5.5; informational uses HASH(1).
func hash1(x *exchange, rest []byte) []byte {
	return oakley.Hash1(x.sa.hash, x.sa.keys.A, x.msgID, rest)
}

func hash2(x *exchange, rest []byte) []byte {
	return oakley.Hash2(x.sa.hash, x.sa.keys.A, x.msgID, x.qm.ni, rest)
}

func hash3(x *exchange, _ []byte) []byte {
	return oakley.Hash3(x.sa.hash, x.sa.keys.A, x.msgID, x.qm.ni, x.qm.nr)
}

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
	inClear  sealing = iota
	sealed           // HDR* (RFC 2409 section 3.2)
	sentSeal         // sent as HDR*, taken as HDR too
)

// A step is one message of an exchange, seen from neither end.
type step struct {
	from   role
	seal   sealing
	must   []isakmp.PayloadType                  // exactly those, in the order we send them; ID in quick mode comes in pairs
	may    []isakmp.PayloadType                  // behind them, as the handlers wish
	hash   func(x *exchange, rest []byte) []byte // HASH(n) over what follows it, in front of all
	most   int                                   // of a responder's: at most so many times the octets it answers, 0 = no matter
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
	ATTR  = isakmp.PayloadAttr
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
	{from: initiator, must: p(SA), may: p(VID), then: chooseISAKMP},
	{from: responder, must: p(SA), may: p(VID)},
	{from: initiator, must: p(KE, NONCE), may: p(CR, NATD, VID)},
	{from: responder, must: p(KE, NONCE), may: p(CR, NATD, VID), then: deriveKeys},
	{from: initiator, seal: sealed, must: p(ID, AUTH), may: p(CERT, CR, N, VID), before: float},
	{from: responder, seal: sealed, must: p(ID, AUTH), may: p(CERT, N, VID), then: establish},
}

// aggressiveMode shows the identities and saves three messages (RFC 2409 section
// 5.4). The section draws message 3 in clear and leaves it open: the original racoon
// sends it so and takes either, strongSwan and Cisco seal it and take nothing else.
// No secret g^xy is computed for anybody who has not returned our cookie.
//
//	1  I→R  HDR, SA, KE, Ni, IDii
//	2  R→I  HDR, SA, KE, Nr, IDir, HASH_R   the responder is authenticated
//	3  I→R  HDR*, HASH_I                    both have an ISAKMP SA
var aggressiveMode = script{
	{from: initiator, must: p(SA, KE, NONCE, ID), may: p(CR, VID), then: chooseISAKMP},
	{from: responder, must: p(SA, KE, NONCE, ID, AUTH), may: p(CERT, CR, VID, NATD), most: 3},
	{from: initiator, seal: sentSeal, must: p(AUTH), may: p(CERT, NATD, N, VID), before: deriveAndFloat, then: establish},
}

// baseMode shows the identities, and lets both negotiate before either computes
// (draft-ietf-ipsec-ike-base-mode-02). All of it is in clear, and HASH_I is one of
// its own.
//
//	1  I→R  HDR, SA, IDii, Ni
//	2  R→I  HDR, SA, IDir, Nr
//	3  I→R  HDR, KE, HASH_I         the initiator is authenticated
//	4  R→I  HDR, KE, HASH_R         both have an ISAKMP SA
var baseMode = script{
	{from: initiator, must: p(SA, ID, NONCE), may: p(VID), then: chooseISAKMP},
	{from: responder, must: p(SA, ID, NONCE), may: p(VID), most: 3},
	{from: initiator, must: p(KE, AUTH), may: p(CERT, CR, NATD, VID)},
	{from: responder, must: p(KE, AUTH), may: p(CERT, NATD, VID), then: establish},
}

// phase1Scripts are the exchanges that end with an ISAKMP SA.
var phase1Scripts = map[isakmp.ExchangeType]script{
	isakmp.IdentityProtection: mainMode,
	isakmp.Aggressive:         aggressiveMode,
	isakmp.Base:               baseMode,
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

// connected is the fourth message where the responder has set the commit bit (RFC 2408
// section 3.1): until it is there message 3 is repeated. We never set the bit.
//
//	4  R→I  HDR*, HASH(4), N        CONNECTED
var connected = step{from: responder, seal: sealed, hash: hash1, may: p(N), then: quickConnected}

// informational is one message that wants no answer (RFC 2409 section 5.7).
var informational = script{
	{from: initiator, seal: sealed, hash: hash1, may: p(N, D), then: informed},
}

// transaction is a question, or an order, and its answer (draft-dukes-ike-mode-cfg-02
// section 3.1). More of them may follow under the same message ID.
//
//	1  I→R  HDR*, HASH(1), ATTR
//	2  R→I  HDR*, HASH(1), ATTR
var transaction = script{
	{from: initiator, seal: sealed, hash: hash1, must: p(ATTR), then: answerConfig},
	{from: responder, seal: sealed, hash: hash1, must: p(ATTR)},
}

// A handler knows how to emit ours and how to take the peer's payloads of one
// type. emit may return none where the type is optional.
type handler struct {
	emit func(x *exchange) ([][]byte, error)
	take func(x *exchange, bodies [][]byte) error
}

// phase1Handlers are those of an exchange with these proofs.
func phase1Handlers(prove proof) map[isakmp.PayloadType]handler {
	return map[isakmp.PayloadType]handler{
		SA:    {emitISAKMPSA, takeISAKMPSA},
		KE:    {emitKE, takeKE},
		NONCE: {emitNonce, takeNonce},
		ID:    {emitID, takeID},
		AUTH:  {prove.emit, prove.take},
		N:     {emitPhase1Notify, takePhase1Notify},
		VID:   {emitVendorIDs, takeNothing}, // see exchange.hear
		NATD:  {emitNATD, takeNATD},
		CERT:  {emitNothing, takeNothing}, // a pre-shared key needs none
		CR:    {emitNothing, takeNothing},
	}
}

// handlers of a payload type, for each exchange.
var handlers = map[isakmp.ExchangeType]map[isakmp.PayloadType]handler{
	isakmp.IdentityProtection: phase1Handlers(hashOf),
	isakmp.Aggressive:         phase1Handlers(hashOf),
	isakmp.Base:               phase1Handlers(baseHashOf),
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
	isakmp.Transaction: {
		ATTR: {emitConfig, takeConfig},
	},
}

// scripts is what a machine plays. It is handed to New's product rather than
// referred to by the handlers themselves, which the tables refer to.
type scripts struct {
	phase1               map[isakmp.ExchangeType]script
	quick, informational script
	transaction          script
	handlers             map[isakmp.ExchangeType]map[isakmp.PayloadType]handler
}

func emitNothing(*exchange) ([][]byte, error) { return nil, nil }
func takeNothing(*exchange, [][]byte) error   { return nil }

// HASH(1) to HASH(3) of RFC 2409 section 5.5; all others use HASH(1).
func hash1(x *exchange, rest []byte) []byte {
	return oakley.Hash1(x.sa.hash, x.sa.keys.A, x.msgID, rest)
}

func hash2(x *exchange, rest []byte) []byte {
	return oakley.Hash2(x.sa.hash, x.sa.keys.A, x.msgID, x.qm.ni, rest)
}

func hash3(x *exchange, _ []byte) []byte {
	return oakley.Hash3(x.sa.hash, x.sa.keys.A, x.msgID, x.qm.ni, x.qm.nr)
}

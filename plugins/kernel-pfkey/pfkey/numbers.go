package pfkey

// PF_KEY version 2, RFC 2367, with the extensions of KAME. What is here is the
// same on every system; where they differ, System says so.
const version = 2

// Message types.
const (
	msgGetSPI = iota + 1
	msgUpdate
	msgAdd
	msgDelete
	msgGet
	msgAcquire
	msgRegister
	msgExpire
	msgFlush
	msgDump
	msgPromisc
	msgPChange
	msgSPDUpdate
	msgSPDAdd
	msgSPDDelete // by selector
	msgSPDGet
	msgSPDAcquire
	msgSPDDump
	msgSPDFlush
	msgSPDSetIdx
	msgSPDExpire
	msgSPDDelete2 // by index
)

// Extensions.
const (
	extSA = iota + 1
	extLifetimeCurrent
	extLifetimeHard
	extLifetimeSoft
	extAddressSrc
	extAddressDst
	extAddressProxy
	extKeyAuth
	extKeyEncrypt
	extIdentitySrc
	extIdentityDst
	extSensitivity
	extProposal
	extSupportedAuth
	extSupportedEncrypt
	extSPIRange
	extPrivate
	extPolicy
	extSA2
)

// SA types.
const (
	saTypeUnspec = 0
	saTypeAH     = 2
	saTypeESP    = 3
	saTypeIPComp = 9
)

// IP protocols.
const (
	protoESP    = 50
	protoAH     = 51
	protoIPComp = 108
	protoAny    = 255 // of a selector
)

// States of an SA.
const (
	stateLarval = iota
	stateMature
	stateDying
	stateDead
)

// Policy types.
const (
	policyDiscard = iota
	policyNone
	policyIPsec
	policyEntrust
	policyBypass
)

const (
	flagRawCPI     = 0x80   // the SPI of an IPComp SA is its CPI
	espInUDP       = 2      // NAT-T type of RFC 3948
	manualReqIDMax = 0x3fff // above, reqids are the kernel's own
	minSPI         = 0x100  // RFC 4303 section 2.1
	maxSPI         = 0xffffffff
	maxCPI         = 0xffff
	maxCPIOffered  = 0xefff  // RFC 3173 section 3.3: the others are private
	ownSeq         = 1 << 31 // in sequence numbers of ours; the kernel counts its acquires from 0
)

// Sizes and offsets, octets.
const (
	sizeHeader = 16
	hdrVersion = 0
	hdrType    = 1
	hdrErrno   = 2
	hdrSAType  = 3
	hdrLen     = 4 // of 8 octets each
	hdrSeq     = 8
	hdrPID     = 12

	sizeSA    = 16
	saSPI     = 4 // network order
	saReplay  = 8
	saState   = 9
	saAuth    = 10
	saEncrypt = 11
	saFlags   = 12
	saPort    = 16 // Darwin

	sizeSA2  = 16
	sa2Mode  = 4
	sa2ReqID = 12

	sizeLifetime    = 32
	lifeAllocations = 4
	lifeBytes       = 8
	lifeAdd         = 16
	lifeUse         = 24

	sizeAddress  = 8 // and a sockaddr
	addrProto    = 4
	addrPrefix   = 5
	sizeSockIn   = 16
	sizeSockIn6  = 28
	sockPort     = 2 // network order
	sockIn       = 4
	sockIn6      = 8
	sockIn6Scope = 24

	sizeKey = 8 // and the key
	keyBits = 4

	sizeSPIRange = 16
	rangeMin     = 4
	rangeMax     = 8

	sizePolicy  = 16 // and the requests
	polType     = 4
	polDir      = 6
	polScope    = 7 // FreeBSD
	polID       = 8
	polPriority = 12

	reqLen   = 0 // octets
	reqProto = 2
	reqMode  = 4
	reqLevel = 5
	reqID16  = 6 // KAME
	reqID32  = 8 // Linux

	sizeSupported = 8 // and the algorithms
	sizeAlg       = 8
	algID         = 0
	algMinBits    = 2
	algMaxBits    = 4

	sizeProposal = 8 // and the combinations
	sizeComb     = 72

	sizeNATT = 8
	nattType = 4
	nattPort = 4 // network order

	sizeReplay = 8
	replayWin  = 4
)

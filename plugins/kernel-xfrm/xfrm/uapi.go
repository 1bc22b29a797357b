//go:build linux

package xfrm

import (
	"github.com/mdlayher/netlink"
)

// Messages of linux/xfrm.h.
const (
	msgNewSA       netlink.HeaderType = 0x10
	msgDelSA       netlink.HeaderType = 0x11
	msgGetSA       netlink.HeaderType = 0x12
	msgNewPolicy   netlink.HeaderType = 0x13
	msgDelPolicy   netlink.HeaderType = 0x14
	msgGetPolicy   netlink.HeaderType = 0x15
	msgAllocSPI    netlink.HeaderType = 0x16
	msgAcquire     netlink.HeaderType = 0x17
	msgExpire      netlink.HeaderType = 0x18
	msgUpdPolicy   netlink.HeaderType = 0x19
	msgUpdSA       netlink.HeaderType = 0x1a
	msgPolExpire   netlink.HeaderType = 0x1b
	msgFlushSA     netlink.HeaderType = 0x1c
	msgFlushPolicy netlink.HeaderType = 0x1d
	msgMapping     netlink.HeaderType = 0x26
)

// Attributes of linux/xfrm.h.
const (
	attrAlgAuth      = 1
	attrAlgCrypt     = 2
	attrAlgComp      = 3
	attrEncap        = 4
	attrTmpl         = 5
	attrSA           = 6
	attrPolicy       = 7
	attrLifetimeVal  = 9
	attrReplayVal    = 10
	attrLastUsed     = 15
	attrPolicyType   = 16
	attrAlgAEAD      = 18
	attrAlgAuthTrunc = 20
	attrMark         = 21
	attrReplayESN    = 23
	attrOffload      = 28
	attrSetMark      = 29
	attrSetMarkMask  = 30
	attrIfID         = 31
	attrSADir        = 33 // since Linux 6.10
)

// Multicast groups of linux/xfrm.h.
const (
	groupAcquire = 1
	groupExpire  = 2
	groupSA      = 3
	groupPolicy  = 4
	groupMapping = 8
)

// Sizes and offsets of the structures of linux/xfrm.h. They are the same on every
// 64-bit architecture; a 32-bit process on a 64-bit kernel would need others and
// is not supported. SPIs, addresses, ports are in network order, the rest in
// host order.
const (
	sizeSelector   = 56  // xfrm_selector
	sizeLifetime   = 64  // xfrm_lifetime_cfg
	sizeLifeCur    = 32  // xfrm_lifetime_cur
	sizeSAInfo     = 224 // xfrm_usersa_info
	sizeSAID       = 24  // xfrm_usersa_id
	sizeSPIInfo    = 232 // xfrm_userspi_info
	sizePolicyInfo = 168 // xfrm_userpolicy_info
	sizePolicyID   = 64  // xfrm_userpolicy_id
	sizeTmpl       = 64  // xfrm_user_tmpl
	sizeAcquire    = 280 // xfrm_user_acquire
	sizeExpire     = 232 // xfrm_user_expire
	sizePolExpire  = 176 // xfrm_user_polexpire
	sizeMapping    = 64  // xfrm_user_mapping
	sizeEncap      = 24  // xfrm_encap_tmpl
	sizeFlushSA    = 1   // xfrm_usersa_flush
	sizeAlgo       = 68  // xfrm_algo: name[64], key bits, key
	sizeAlgoICV    = 72  // xfrm_algo_auth, xfrm_algo_aead: name[64], key bits, ICV bits, key
	sizeReplay     = 12  // xfrm_replay_state: oseq, seq, bitmap
	sizeReplayESN  = 24  // xfrm_replay_state_esn: bmp_len, oseq, seq, oseq_hi, seq_hi, replay_window, bmp[]

	selDst, selSrc             = 0, 16
	selDstPort, selDstPortMask = 32, 34
	selSrcPort, selSrcPortMask = 36, 38
	selFamily                  = 40
	selDstLen, selSrcLen       = 42, 43
	selProto                   = 44

	saSel, saDst, saSPI, saProto = 0, 56, 72, 76
	saSrc                        = 80
	saLife, saCur                = 96, 160
	saStatWindow                 = 192 // xfrm_stats: replay_window, replay, integrity_failed
	saStatReplay                 = 196
	saStatIntegrity              = 200
	saSeq, saReqID               = 204, 208
	saFamily, saMode             = 212, 214
	saWindow, saFlags            = 215, 216

	idDst, idSPI, idFamily, idProto = 0, 16, 20, 22

	spiMin, spiMax = 224, 228

	polSel, polLife, polCur        = 0, 56, 120
	polPriority, polIndex          = 152, 156
	polDir, polAction              = 160, 161
	polIDIndex, polIDDir           = 56, 60
	tmplDst, tmplProto, tmplFamily = 0, 20, 24
	tmplSrc, tmplReqID             = 28, 44
	tmplMode, tmplOptional         = 48, 50
	tmplAuthAlgs                   = 52 // three masks of 32 bits: auth, encr, comp

	acqDst, acqProto, acqSrc      = 0, 20, 24
	acqSel, acqPolicy, acqSeq     = 40, 96, 276
	expireHard, polExpireHard     = 224, 168
	mapReqID, mapOldSrc           = 24, 28
	mapNewSrc, mapNewPort         = 44, 62
	encapType, encapSrc           = 0, 2
	encapDst, encapOA             = 4, 8
	curBytes, curPackets          = 0, 8
	curAdded, curUsed             = 16, 24
	replayOSeq                    = 0
	esnOSeq, esnOSeqHi, esnWindow = 4, 12, 20
)

// Flags of xfrm_usersa_info.
const (
	flagAFUnspec = 32
	flagAlign4   = 64
	flagESN      = 128
)

const (
	infinite       = ^uint64(0) // XFRM_INF
	encapESPInUDP  = 2
	actionAllow    = 0
	actionBlock    = 1
	replayESNMax   = 4096 // XFRMA_REPLAY_ESN_MAX, packets
	replayLegacy   = 32   // widest window of xfrm_usersa_info.replay_window
	protoESP       = 50
	protoAH        = 51
	protoIPComp    = 108
	dirIn, dirOut  = 0, 1 // XFRM_POLICY_IN, OUT, FWD
	dirFwd         = 2
	saDirIn        = 1 // XFRM_SA_DIR_IN, OUT
	saDirOut       = 2
	modeTransport  = 0 // XFRM_MODE_...
	modeTunnel     = 1
	modeBEET       = 4
	algNameLen     = 64
	minSPI, maxSPI = 0x100, 0xffffffff // RFC 4303 section 2.1: 1-255 are reserved
	maxCPI         = 0xefff            // RFC 3173 section 3.3: above are private
)

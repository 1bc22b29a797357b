package isakmp

// Attribute classes of a phase 1 transform, RFC 2409 appendix A.
const (
	AttrEncryption   = 1
	AttrHash         = 2
	AttrAuthMethod   = 3
	AttrGroup        = 4
	AttrGroupType    = 5
	AttrGroupPrime   = 6
	AttrGroupGenOne  = 7
	AttrGroupGenTwo  = 8
	AttrGroupCurveA  = 9
	AttrGroupCurveB  = 10
	AttrLifeType     = 11
	AttrLifeDuration = 12
	AttrPRF          = 13
	AttrKeyLength    = 14 // bits
	AttrFieldSize    = 15
	AttrGroupOrder   = 16
)

// TransformKeyIKE is the one transform of protocol ISAKMP, RFC 2407 §4.4.2.
const TransformKeyIKE = 1

// Values of AttrEncryption.
const (
	EncDES      = 1
	EncIDEA     = 2
	EncBlowfish = 3
	EncRC5      = 4
	Enc3DES     = 5
	EncCAST     = 6
	EncAES      = 7
	EncCamellia = 8
)

// Values of AttrHash.
const (
	HashMD5    = 1
	HashSHA1   = 2
	HashTiger  = 3
	HashSHA256 = 4
	HashSHA384 = 5
	HashSHA512 = 6
)

// Values of AttrAuthMethod. Those of hybrid authentication (draft-ietf-ipsec-
// isakmp-hybrid-auth-05) and Xauth (draft-beaulieu-ike-xauth-02) say which side
// of phase 1 the user is on.
const (
	AuthPSK                = 1
	AuthDSS                = 2
	AuthRSASig             = 3
	AuthRSAEnc             = 4
	AuthRSARevEnc          = 5
	AuthECDSASig           = 8
	AuthECDSA256           = 9
	AuthECDSA384           = 10
	AuthECDSA521           = 11
	AuthHybridInitRSA      = 64221
	AuthHybridRespRSA      = 64222
	AuthHybridInitDSS      = 64223
	AuthHybridRespDSS      = 64224
	AuthXAuthInitPSK       = 65001
	AuthXAuthRespPSK       = 65002
	AuthXAuthInitDSS       = 65003
	AuthXAuthRespDSS       = 65004
	AuthXAuthInitRSA       = 65005
	AuthXAuthRespRSA       = 65006
	AuthXAuthInitRSAEnc    = 65007
	AuthXAuthRespRSAEnc    = 65008
	AuthXAuthInitRSARevEnc = 65009
	AuthXAuthRespRSARevEnc = 65010
)

// Values of AttrGroup and SAAttrGroup, RFC 2409 §6, 3526, 5903, 5114, 6954 and
// IANA's registry.
const (
	GroupMODP768      = 1
	GroupMODP1024     = 2
	GroupEC2N155      = 3
	GroupEC2N185      = 4
	GroupMODP1536     = 5
	GroupMODP2048     = 14
	GroupMODP3072     = 15
	GroupMODP4096     = 16
	GroupMODP6144     = 17
	GroupMODP8192     = 18
	GroupECP256       = 19
	GroupECP384       = 20
	GroupECP521       = 21
	GroupMODP1024s160 = 22
	GroupMODP2048s224 = 23
	GroupMODP2048s256 = 24
	GroupECP192       = 25
	GroupECP224       = 26
	GroupBP224        = 27
	GroupBP256        = 28
	GroupBP384        = 29
	GroupBP512        = 30
	GroupX25519       = 31
	GroupX448         = 32
)

// Values of AttrLifeType and SAAttrLifeType.
const (
	LifeSeconds   = 1
	LifeKilobytes = 2
)

// The tables of phase 1.
var (
	Phase1Attrs = Names{
		{AttrEncryption, "enc"}, {AttrHash, "hash"}, {AttrAuthMethod, "auth"}, {AttrGroup, "group"},
		{AttrGroupType, "grouptype"}, {AttrGroupPrime, "prime"}, {AttrGroupGenOne, "gen1"}, {AttrGroupGenTwo, "gen2"},
		{AttrGroupCurveA, "curvea"}, {AttrGroupCurveB, "curveb"}, {AttrLifeType, "lifetype"}, {AttrLifeDuration, "life"},
		{AttrPRF, "prf"}, {AttrKeyLength, "keylen"}, {AttrFieldSize, "field"}, {AttrGroupOrder, "order"},
	}
	EncryptionAlgorithms = Names{
		{EncDES, "DES-CBC"}, {EncIDEA, "IDEA-CBC"}, {EncBlowfish, "BLOWFISH-CBC"}, {EncRC5, "RC5-CBC"},
		{Enc3DES, "3DES-CBC"}, {EncCAST, "CAST-CBC"}, {EncAES, "AES-CBC"}, {EncCamellia, "CAMELLIA-CBC"},
	}
	HashAlgorithms = Names{
		{HashMD5, "MD5"}, {HashSHA1, "SHA1"}, {HashTiger, "TIGER"},
		{HashSHA256, "SHA2-256"}, {HashSHA384, "SHA2-384"}, {HashSHA512, "SHA2-512"},
	}
	AuthMethods = Names{
		{AuthPSK, "PSK"}, {AuthDSS, "DSS"}, {AuthRSASig, "RSASIG"}, {AuthRSAEnc, "RSAENC"}, {AuthRSARevEnc, "RSAREVENC"},
		{AuthECDSASig, "ECDSASIG"}, {AuthECDSA256, "ECDSA-256"}, {AuthECDSA384, "ECDSA-384"}, {AuthECDSA521, "ECDSA-521"},
		{AuthHybridInitRSA, "HybridInitRSA"}, {AuthHybridRespRSA, "HybridRespRSA"},
		{AuthHybridInitDSS, "HybridInitDSS"}, {AuthHybridRespDSS, "HybridRespDSS"},
		{AuthXAuthInitPSK, "XAuthInitPSK"}, {AuthXAuthRespPSK, "XAuthRespPSK"},
		{AuthXAuthInitDSS, "XAuthInitDSS"}, {AuthXAuthRespDSS, "XAuthRespDSS"},
		{AuthXAuthInitRSA, "XAuthInitRSA"}, {AuthXAuthRespRSA, "XAuthRespRSA"},
		{AuthXAuthInitRSAEnc, "XAuthInitRSAENC"}, {AuthXAuthRespRSAEnc, "XAuthRespRSAENC"},
		{AuthXAuthInitRSARevEnc, "XAuthInitRSAREVENC"}, {AuthXAuthRespRSARevEnc, "XAuthRespRSAREVENC"},
	}
	Groups = Names{
		{GroupMODP768, "modp768"}, {GroupMODP1024, "modp1024"}, {GroupEC2N155, "ec2n155"}, {GroupEC2N185, "ec2n185"},
		{GroupMODP1536, "modp1536"}, {GroupMODP2048, "modp2048"}, {GroupMODP3072, "modp3072"}, {GroupMODP4096, "modp4096"},
		{GroupMODP6144, "modp6144"}, {GroupMODP8192, "modp8192"}, {GroupECP256, "ecp256"}, {GroupECP384, "ecp384"},
		{GroupECP521, "ecp521"}, {GroupMODP1024s160, "modp1024s160"}, {GroupMODP2048s224, "modp2048s224"},
		{GroupMODP2048s256, "modp2048s256"}, {GroupECP192, "ecp192"}, {GroupECP224, "ecp224"},
		{GroupBP224, "ecp224bp"}, {GroupBP256, "ecp256bp"}, {GroupBP384, "ecp384bp"}, {GroupBP512, "ecp512bp"},
		{GroupX25519, "x25519"}, {GroupX448, "x448"},
	}
	LifeTypes = Names{{LifeSeconds, "s"}, {LifeKilobytes, "kB"}}
)

// phase1Values are the tables of those classes whose values have names.
var phase1Values = map[uint16]Names{
	AttrEncryption: EncryptionAlgorithms,
	AttrHash:       HashAlgorithms,
	AttrAuthMethod: AuthMethods,
	AttrGroup:      Groups,
	AttrLifeType:   LifeTypes,
}

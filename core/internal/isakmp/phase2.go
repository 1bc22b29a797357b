package isakmp

// Attribute classes of a phase 2 transform, RFC 2407 §4.5 and IANA's registry.
const (
	SAAttrLifeType      = 1
	SAAttrLifeDuration  = 2
	SAAttrGroup         = 3
	SAAttrEncapMode     = 4
	SAAttrAuth          = 5
	SAAttrKeyLength     = 6 // bits
	SAAttrKeyRounds     = 7
	SAAttrCompDict      = 8
	SAAttrCompPrivate   = 9
	SAAttrECNTunnel     = 10 // RFC 3168
	SAAttrESN           = 11 // RFC 4304
	SAAttrAuthKeyLength = 12 // RFC 4359
	SAAttrSigEncoding   = 13 // RFC 4359
)

// Values of SAAttrEncapMode; the UDP ones are RFC 3947 §5.1, the draft ones
// draft-ietf-ipsec-nat-t-ike-02 and -03.
const (
	EncapTunnel            = 1
	EncapTransport         = 2
	EncapUDPTunnel         = 3
	EncapUDPTransport      = 4
	EncapUDPTunnelDraft    = 61443
	EncapUDPTransportDraft = 61444
)

// Values of SAAttrAuth.
const (
	SAAuthHMACMD5    = 1
	SAAuthHMACSHA1   = 2
	SAAuthDESMAC     = 3
	SAAuthKPDK       = 4
	SAAuthHMACSHA256 = 5
	SAAuthHMACSHA384 = 6
	SAAuthHMACSHA512 = 7
	SAAuthHMACRIPEMD = 8
	SAAuthAESXCBC    = 9
	SAAuthSigRSA     = 10
	SAAuthAES128GMAC = 11
	SAAuthAES192GMAC = 12
	SAAuthAES256GMAC = 13
)

// Values of SAAttrESN.
const ESNExtended = 1

// ESNs names the values of SAAttrESN.
var ESNs = Names{{ESNExtended, "64 bits"}}

// Transforms of ESP, RFC 2407 §4.4.4 and IANA's registry.
const (
	ESPDESIV64  = 1
	ESPDES      = 2
	ESP3DES     = 3
	ESPRC5      = 4
	ESPIDEA     = 5
	ESPCAST     = 6
	ESPBlowfish = 7
	ESP3IDEA    = 8
	ESPDESIV32  = 9
	ESPRC4      = 10
	ESPNull     = 11
	ESPAESCBC   = 12
	ESPAESCTR   = 13
	ESPAESCCM8  = 14
	ESPAESCCM12 = 15
	ESPAESCCM16 = 16
	ESPAESGCM8  = 18
	ESPAESGCM12 = 19
	ESPAESGCM16 = 20
	ESPSEED     = 21
	ESPCamellia = 22
	ESPNullGMAC = 23
	ESPSerpent  = 252
	ESPTwofish  = 253
)

// Transforms of AH, RFC 2407 §4.4.3 and IANA's registry.
const (
	AHMD5        = 2
	AHSHA1       = 3
	AHDES        = 4
	AHSHA256     = 5
	AHSHA384     = 6
	AHSHA512     = 7
	AHRIPEMD     = 8
	AHAESXCBC    = 9
	AHRSA        = 10
	AHAES128GMAC = 11
	AHAES192GMAC = 12
	AHAES256GMAC = 13
)

// Transforms of IPComp, RFC 2407 §4.4.5.
const (
	IPCompOUI     = 1
	IPCompDeflate = 2
	IPCompLZS     = 3
	IPCompLZJH    = 4
)

// The tables of phase 2.
var (
	Phase2Attrs = Names{
		{SAAttrLifeType, "lifetype"}, {SAAttrLifeDuration, "life"}, {SAAttrGroup, "group"}, {SAAttrEncapMode, "mode"},
		{SAAttrAuth, "auth"}, {SAAttrKeyLength, "keylen"}, {SAAttrKeyRounds, "rounds"}, {SAAttrCompDict, "dict"},
		{SAAttrCompPrivate, "comppriv"}, {SAAttrECNTunnel, "ecn"}, {SAAttrESN, "esn"},
		{SAAttrAuthKeyLength, "authkeylen"}, {SAAttrSigEncoding, "sigenc"},
	}
	EncapModes = Names{
		{EncapTunnel, "tunnel"}, {EncapTransport, "transport"},
		{EncapUDPTunnel, "udp-tunnel"}, {EncapUDPTransport, "udp-transport"},
		{EncapUDPTunnelDraft, "udp-tunnel-draft"}, {EncapUDPTransportDraft, "udp-transport-draft"},
	}
	AuthAlgorithms = Names{
		{SAAuthHMACMD5, "HMAC-MD5"}, {SAAuthHMACSHA1, "HMAC-SHA1"}, {SAAuthDESMAC, "DES-MAC"}, {SAAuthKPDK, "KPDK"},
		{SAAuthHMACSHA256, "HMAC-SHA2-256"}, {SAAuthHMACSHA384, "HMAC-SHA2-384"}, {SAAuthHMACSHA512, "HMAC-SHA2-512"},
		{SAAuthHMACRIPEMD, "HMAC-RIPEMD"}, {SAAuthAESXCBC, "AES-XCBC-MAC"}, {SAAuthSigRSA, "SIG-RSA"},
		{SAAuthAES128GMAC, "AES-128-GMAC"}, {SAAuthAES192GMAC, "AES-192-GMAC"}, {SAAuthAES256GMAC, "AES-256-GMAC"},
	}
	ESPTransforms = Names{
		{ESPDESIV64, "DES-IV64"}, {ESPDES, "DES-CBC"}, {ESP3DES, "3DES-CBC"}, {ESPRC5, "RC5-CBC"}, {ESPIDEA, "IDEA-CBC"},
		{ESPCAST, "CAST-CBC"}, {ESPBlowfish, "BLOWFISH-CBC"}, {ESP3IDEA, "3IDEA"}, {ESPDESIV32, "DES-IV32"}, {ESPRC4, "RC4"},
		{ESPNull, "NULL"}, {ESPAESCBC, "AES-CBC"}, {ESPAESCTR, "AES-CTR"}, {ESPAESCCM8, "AES-CCM-8"},
		{ESPAESCCM12, "AES-CCM-12"}, {ESPAESCCM16, "AES-CCM-16"}, {ESPAESGCM8, "AES-GCM-8"}, {ESPAESGCM12, "AES-GCM-12"},
		{ESPAESGCM16, "AES-GCM-16"}, {ESPSEED, "SEED-CBC"}, {ESPCamellia, "CAMELLIA-CBC"}, {ESPNullGMAC, "NULL-AES-GMAC"},
		{ESPSerpent, "SERPENT-CBC"}, {ESPTwofish, "TWOFISH-CBC"},
	}
	AHTransforms = Names{
		{AHMD5, "MD5"}, {AHSHA1, "SHA1"}, {AHDES, "DES"}, {AHSHA256, "SHA2-256"}, {AHSHA384, "SHA2-384"},
		{AHSHA512, "SHA2-512"}, {AHRIPEMD, "RIPEMD"}, {AHAESXCBC, "AES-XCBC-MAC"}, {AHRSA, "RSA"},
		{AHAES128GMAC, "AES-128-GMAC"}, {AHAES192GMAC, "AES-192-GMAC"}, {AHAES256GMAC, "AES-256-GMAC"},
	}
	IPCompTransforms = Names{
		{IPCompOUI, "OUI"}, {IPCompDeflate, "DEFLATE"}, {IPCompLZS, "LZS"}, {IPCompLZJH, "LZJH"},
	}
)

// phase2Values are the tables of those classes whose values have names.
var phase2Values = map[uint16]Names{
	SAAttrLifeType:  LifeTypes,
	SAAttrGroup:     Groups,
	SAAttrEncapMode: EncapModes,
	SAAttrAuth:      AuthAlgorithms,
}

// attrTables are the classes, and the values by class, of a protocol's transforms.
func attrTables(p Protocol) (Names, map[uint16]Names) {
	switch p {
	case ProtoISAKMP:
		return Phase1Attrs, phase1Values
	case ProtoAH, ProtoESP, ProtoIPComp:
		return Phase2Attrs, phase2Values
	default:
		return nil, nil
	}
}

// TransformName is the name of a transform of protocol p.
func TransformName(p Protocol, id uint8) string {
	switch p {
	case ProtoISAKMP:
		return Names{{TransformKeyIKE, "KEY_IKE"}}.Name(uint32(id))
	case ProtoAH:
		return AHTransforms.Name(uint32(id))
	case ProtoESP:
		return ESPTransforms.Name(uint32(id))
	case ProtoIPComp:
		return IPCompTransforms.Name(uint32(id))
	default:
		return Names(nil).Name(uint32(id))
	}
}

package doi

import "fmt"

// ESP transform identifiers (RFC 2407 section 4.4.4, RFC 3602, 3686, 4106, 4312) we can key.
const (
	ESP3DES     = 3
	ESPCAST     = 6
	ESPBlowfish = 7
	ESPNULL     = 11
	ESPAESCBC   = 12
	ESPAESCTR   = 13
	ESPAESGCM8  = 18
	ESPAESGCM12 = 19
	ESPAESGCM16 = 20
	ESPCamellia = 22
	ESPTwofish  = 253
)

// cipher is what phase 2 must know of an ESP transform.
type cipher struct {
	name             string
	fixed            int    // key octets where the length is not negotiable
	defaultBits      uint16 // where it is and the attribute is absent
	minBits, maxBits uint16
	step             uint16
	salt             int  // octets of KEYMAT behind the key (RFC 3686 section 5.1, RFC 4106 section 8.1)
	aead             bool // no authentication attribute
}

var ciphers = map[uint16]cipher{
	ESP3DES:     {name: "3des-cbc", fixed: 24},
	ESPCAST:     {name: "cast128-cbc", defaultBits: 128, minBits: 40, maxBits: 128, step: 8},
	ESPBlowfish: {name: "blowfish-cbc", defaultBits: 128, minBits: 40, maxBits: 448, step: 8},
	ESPNULL:     {name: "null"},
	ESPAESCBC:   {name: "aes-cbc", defaultBits: 128, minBits: 128, maxBits: 256, step: 64},
	ESPAESCTR:   {name: "aes-ctr", defaultBits: 128, minBits: 128, maxBits: 256, step: 64, salt: 4},
	ESPAESGCM8:  {name: "aes-gcm-8", defaultBits: 128, minBits: 128, maxBits: 256, step: 64, salt: 4, aead: true},
	ESPAESGCM12: {name: "aes-gcm-12", defaultBits: 128, minBits: 128, maxBits: 256, step: 64, salt: 4, aead: true},
	ESPAESGCM16: {name: "aes-gcm-16", defaultBits: 128, minBits: 128, maxBits: 256, step: 64, salt: 4, aead: true},
	ESPCamellia: {name: "camellia-cbc", defaultBits: 128, minBits: 128, maxBits: 256, step: 64},
	ESPTwofish:  {name: "twofish-cbc", defaultBits: 128, minBits: 128, maxBits: 256, step: 64},
}

// Authentication algorithm attribute values (RFC 2407 section 4.5, RFC 4868).
var auths = map[uint16]struct {
	name   string
	octets int
}{
	1: {"hmac-md5", 16},
	2: {"hmac-sha1", 20},
	5: {"hmac-sha256", 32},
	6: {"hmac-sha384", 48},
	7: {"hmac-sha512", 64},
}

// ahTransform is the AH transform identifier that goes with an authentication
// attribute (RFC 2407 section 4.4.3).
var ahTransform = map[uint16]uint8{1: 2, 2: 3, 5: 5, 6: 6, 7: 7}

// AEAD reports whether an ESP transform authenticates by itself.
func AEAD(encr uint16) bool { return ciphers[encr].aead }

// EncrKeyOctets is the KEYMAT an ESP transform takes, salt included. bits is the
// key length attribute, 0 if absent.
func EncrKeyOctets(encr, bits uint16) (int, error) {
	c, ok := ciphers[encr]
	switch {
	case !ok:
		return 0, fmt.Errorf("ESP transform %d is not supported", encr)
	case c.maxBits == 0 && bits != 0:
		return 0, fmt.Errorf("%s takes no key length, got %d", c.name, bits)
	case c.maxBits == 0:
		return c.fixed, nil
	case bits == 0:
		bits = c.defaultBits
	}
	if bits < c.minBits || bits > c.maxBits || bits%c.step != 0 {
		return 0, fmt.Errorf("%s cannot have a key of %d bits", c.name, bits)
	}
	return int(bits/8) + c.salt, nil
}

// AuthKeyOctets is the KEYMAT an authentication algorithm takes.
func AuthKeyOctets(auth uint16) (int, error) {
	if auth == 0 {
		return 0, nil
	}
	a, ok := auths[auth]
	if !ok {
		return 0, fmt.Errorf("authentication algorithm %d is not supported", auth)
	}
	return a.octets, nil
}

// EncrName names an ESP transform with its key length: "aes-cbc-128".
func EncrName(encr, bits uint16) string {
	c, ok := ciphers[encr]
	if !ok {
		return fmt.Sprintf("esp-transform-%d", encr)
	}
	if c.maxBits == 0 {
		return c.name
	}
	if bits == 0 {
		bits = c.defaultBits
	}
	return fmt.Sprintf("%s-%d", c.name, bits)
}

// AuthName names an authentication algorithm; "none" for 0.
func AuthName(auth uint16) string {
	if auth == 0 {
		return "none"
	}
	if a, ok := auths[auth]; ok {
		return a.name
	}
	return fmt.Sprintf("auth-%d", auth)
}

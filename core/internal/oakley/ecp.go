package oakley

import "crypto/ecdh"

// curve is a group of RFC 5903 or RFC 8031. The library does the arithmetic in
// constant time and checks that a point is on the curve (ECP) and that the
// result is not zero (Curve25519).
type curve struct {
	ecdh.Curve
	octets  int    // of a coordinate, a private key and a shared secret
	topBits byte   // of a private key's first octet; P-521 has only one
	prefix  string // SEC 1's "uncompressed" octet, which RFC 5903 leaves out
	points  int    // coordinates in a public value
}

var (
	p256   = curve{ecdh.P256(), 32, 0xff, "\x04", 2}
	p384   = curve{ecdh.P384(), 48, 0xff, "\x04", 2}
	p521   = curve{ecdh.P521(), 66, 0x01, "\x04", 2}
	x25519 = curve{ecdh.X25519(), 32, 0xff, "", 1}
)

func (c curve) publicLen() int { return c.points * c.octets }
func (c curve) randomLen() int { return c.octets }

func (c curve) keyPair(private []byte) ([]byte, sharedFunc, error) {
	private[0] &= c.topBits
	key, err := c.NewPrivateKey(private)
	if err != nil {
		return nil, nil, ErrDrawAgain
	}
	shared := func(peer []byte) ([]byte, error) {
		point, err := c.NewPublicKey(append([]byte(c.prefix), peer...))
		if err != nil {
			return nil, err
		}
		return key.ECDH(point)
	}
	return key.PublicKey().Bytes()[len(c.prefix):], shared, nil
}

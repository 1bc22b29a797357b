package oakley

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"fmt"

	"golang.org/x/crypto/blowfish" //lint:ignore SA1019 old peers need it; it is in the legacy tier
	"golang.org/x/crypto/cast5"    //lint:ignore SA1019 as above

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Cipher is a value of the IKE attribute Encryption Algorithm (RFC 2409
// Appendix A, AES and Camellia by RFC 3602 and RFC 4312). All are in CBC mode.
type Cipher uint16

const (
	DES       Cipher = 1
	IDEA      Cipher = 2
	Blowfish  Cipher = 3
	RC5       Cipher = 4
	TripleDES Cipher = 5
	CAST      Cipher = 6
	AES       Cipher = 7
	Camellia  Cipher = 8
)

var (
	wideKeys = keyBits{128, 256, 64, 128}

	ciphers = map[Cipher]struct {
		name  string
		block int // octets
		keys  keyBits
		new   func(key []byte) (cipher.Block, error)
	}{
		DES:  {name: "des"},
		IDEA: {name: "idea"},
		RC5:  {name: "rc5"},
		// RFC 2409 Appendix B: 56 octets where no key length is negotiated.
		Blowfish:  {"blowfish", blowfish.BlockSize, keyBits{40, 448, 8, 448}, newBlowfish},
		TripleDES: {"3des", des.BlockSize, keyBits{192, 192, 8, 192}, des.NewTripleDESCipher},
		CAST:      {"cast128", cast5.BlockSize, keyBits{88, 128, 8, 128}, newCAST},
		AES:       {"aes", aes.BlockSize, wideKeys, aes.NewCipher},
		Camellia:  {"camellia", camelliaBlock, wideKeys, newCamellia},
	}
)

// keyBits are the key lengths of a cipher. Where min is max there is nothing to
// negotiate, and the Key Length attribute must be absent (RFC 2409 Appendix A).
type keyBits struct{ min, max, step, byDefault int }

func (k keyBits) allow(bits int) bool {
	return bits >= k.min && bits <= k.max && bits%k.step == 0
}

// Supported reports whether this package has the cipher. Single DES, IDEA and
// RC5 have names only: they are never negotiated.
func (c Cipher) Supported() bool { return ciphers[c].new != nil }

// BlockSize is the cipher's block, and its IV, in octets; 0 if not supported.
func (c Cipher) BlockSize() int { return ciphers[c].block }

func (c Cipher) String() string {
	if a, ok := ciphers[c]; ok {
		return a.name
	}
	return fmt.Sprintf("cipher(%d)", uint16(c))
}

// Name is the cipher with its key length: "aes-128", "3des". bits is the value of the
// Key Length attribute, 0 if it is absent.
func (c Cipher) Name(bits uint16) string {
	if n, err := c.KeyLen(bits); err == nil && ciphers[c].keys.min != ciphers[c].keys.max {
		return fmt.Sprintf("%v-%d", c, 8*n)
	}
	return c.String()
}

// KeyLen is the key's length in octets for the value of the Key Length
// attribute, in bits; 0 stands for an absent attribute and gives the cipher's
// default. The error says which values the cipher takes.
func (c Cipher) KeyLen(bits uint16) (octets int, err error) {
	k := ciphers[c].keys
	switch {
	case !c.Supported():
		return 0, fmt.Errorf("oakley: %v is not supported", c)
	case bits == 0:
		return k.byDefault / 8, nil
	case k.min == k.max:
		return 0, fmt.Errorf("oakley: %v takes no key length, got %d bits", c, bits)
	case !k.allow(int(bits)):
		return 0, fmt.Errorf("oakley: %v key of %d bits: want %d to %d in steps of %d", c, bits, k.min, k.max, k.step)
	}
	return int(bits) / 8, nil
}

func newBlowfish(key []byte) (cipher.Block, error) { return blowfish.NewCipher(key) }

// newCAST pads a short key with zeros (RFC 2144 section 2.5). Up to 80 bits that
// RFC also leaves out four rounds, which the library cannot; so the table starts
// at 88.
func newCAST(key []byte) (cipher.Block, error) {
	var padded [cast5.KeySize]byte
	defer clear(padded[:])
	copy(padded[:], key)
	return cast5.NewCipher(padded[:])
}

// Phase1IV is the first IV of phase 1: hash(g^xi | g^xr), cut to the block
// (RFC 2409 Appendix B). The next IV is always the last ciphertext block.
func Phase1IV(h Hash, c Cipher, gxi, gxr []byte) []byte {
	return firstBlock(h.Sum(gxi, gxr), c)
}

// Phase2IV is the first IV of any exchange under an ISAKMP SA: hash(last
// ciphertext block of phase 1 | M-ID), cut to the block (RFC 2409 Appendix B).
func Phase2IV(h Hash, c Cipher, lastPhase1Block []byte, msgid uint32) []byte {
	return firstBlock(h.Sum(lastPhase1Block, messageID(msgid)), c)
}

// firstBlock needs no expansion: the shortest hash is as long as the longest
// block, 16 octets.
func firstBlock(digest []byte, c Cipher) []byte { return digest[:min(len(digest), c.BlockSize())] }

// CBC is one cipher with one key in CBC mode. It holds no IV, so one value
// serves all exchanges of an ISAKMP SA, and several goroutines at once.
type CBC struct {
	cipher Cipher
	block  cipher.Block
}

// NewCBC takes a key of exactly a length that KeyLen gives.
func NewCBC(c Cipher, key secret.Bytes) (*CBC, error) {
	if !c.Supported() {
		return nil, fmt.Errorf("oakley: %v is not supported", c)
	}
	if k := ciphers[c].keys; !k.allow(8 * key.Len()) {
		return nil, fmt.Errorf("oakley: %v key of %d bits: want %d to %d in steps of %d", c, 8*key.Len(), k.min, k.max, k.step)
	}
	block, err := ciphers[c].new(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("oakley: %v key of %d octets: %w", c, key.Len(), err)
	}
	return &CBC{c, block}, nil
}

// String keeps the key schedule out of a printed CBC.
func (c *CBC) String() string { return c.cipher.String() + "-cbc" }

// Encrypt returns fresh ciphertext and the IV of the exchange's next message,
// its last block. The plaintext must be whole blocks, see Pad, and the iv one;
// anything else is a mistake of the caller's and yields nil.
func (c *CBC) Encrypt(iv, plaintext []byte) (ciphertext, nextIV []byte) {
	if c.check(iv, plaintext) != nil {
		return nil, nil
	}
	out := make([]byte, len(plaintext))
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(out, plaintext)
	return out, c.lastBlock(out)
}

// Decrypt returns fresh plaintext, padding included, and the IV of the next
// message. Neither argument is changed, so a trial decryption of a message that
// proves forged or repeated leaves nothing to undo. It fails if the ciphertext
// is not one or more whole blocks.
func (c *CBC) Decrypt(iv, ciphertext []byte) (plaintext, nextIV []byte, err error) {
	if err := c.check(iv, ciphertext); err != nil {
		return nil, nil, err
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(out, ciphertext)
	return out, c.lastBlock(ciphertext), nil
}

func (c *CBC) check(iv, text []byte) error {
	switch n := c.block.BlockSize(); {
	case len(iv) != n:
		return fmt.Errorf("oakley: IV of %d octets, %v wants %d", len(iv), c, n)
	case len(text) == 0 || len(text)%n != 0:
		return fmt.Errorf("oakley: %d octets are not one or more %v blocks of %d", len(text), c, n)
	}
	return nil
}

func (c *CBC) lastBlock(ciphertext []byte) []byte {
	return append([]byte(nil), ciphertext[len(ciphertext)-c.block.BlockSize():]...)
}

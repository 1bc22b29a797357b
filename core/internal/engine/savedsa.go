package engine

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// savedSA is a line of the file of saved SAs.
type savedSA struct {
	sa   *kernel.SA
	left time.Duration // of its lifetime
}

func (s savedSA) zero() {
	if s.sa == nil {
		return
	}
	for _, k := range []*kernel.AlgKey{s.sa.Encr, s.sa.Auth} {
		if k != nil {
			k.Key.Zero()
		}
	}
}

// The format is the original's, one blank between two fields:
//
//	MON DD HH:MM:SS YYYY%SRC DST SATYPE SPI MODE REQID WSIZE E_TYPE E_KEYLEN A_TYPE A_KEYLEN
//	  FLAGS L_ALLOC L_BYTES L_ADDTIME L_USETIME SEQ KEYMAT
const savedTime = "Jan 02 15:04:05 2006"

const savedFields = 18

// Numbers of PF_KEY for what has others in the DOI.
var (
	saTypes   = map[uint8]uint64{50: 3, 51: 2, protoIPComp: 9}
	authTypes = map[uint16]uint64{1: 2, 2: 3} // HMAC-MD5, HMAC-SHA1; the others are the same
)

// maxSavedLine bounds the octets of a line: the longest keys we know, and room.
const maxSavedLine = 1024

// formatSaved writes an SA. The caller wipes the result, of which there is no other
// copy: it never grows.
func formatSaved(sa *kernel.SA, now time.Time) []byte {
	var encr, auth []byte
	var encrType, authType uint64
	if sa.Encr != nil {
		encr, encrType = sa.Encr.Key.Reveal(), uint64(sa.Encr.ID)
	}
	if sa.Auth != nil {
		auth, authType = sa.Auth.Key.Reveal(), uint64(sa.Auth.ID)
		if t, ok := authTypes[sa.Auth.ID]; ok {
			authType = t
		}
	}
	if sa.Comp != 0 {
		encrType = uint64(sa.Comp)
	}
	b := make([]byte, 0, maxSavedLine+2*(len(encr)+len(auth)))
	b = fmt.Appendf(b, "%s%%%v %v %d %d %d %d 4 %d %d %d %d 0 0 %d %d 0 %d ", now.Format(savedTime), sa.Key.Src, sa.Key.Dst,
		saTypes[sa.Key.Proto], sa.Key.SPI, sa.Mode, sa.ReqID, encrType, len(encr), authType, len(auth),
		sa.Life.HardBytes, int64(sa.Life.HardTime/time.Second), sa.Seq)
	return append(hex.AppendEncode(hex.AppendEncode(b, encr), auth), '\n')
}

// parseSaved reads a line. What it says of an error never shows the line.
func parseSaved(line []byte, now time.Time) (savedSA, error) {
	stamp, rest, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte("%"))
	if !ok {
		return savedSA{}, errors.New("there is no % behind the time")
	}
	at, err := time.ParseInLocation(savedTime, string(stamp), time.Local)
	if err != nil {
		return savedSA{}, errors.New("the time is none")
	}
	f := bytes.Split(rest, []byte(" "))
	if len(f) != savedFields {
		return savedSA{}, fmt.Errorf("%d fields instead of %d", len(f), savedFields)
	}
	src, err1 := netip.ParseAddr(string(f[0]))
	dst, err2 := netip.ParseAddr(string(f[1]))
	if err1 != nil || err2 != nil || src.Is4() != dst.Is4() {
		return savedSA{}, errors.New("the addresses are none")
	}
	var n [savedFields]uint64
	for i := 2; i < savedFields-1; i++ {
		if n[i], err = strconv.ParseUint(string(f[i]), 10, 64); err != nil || i != 13 && n[i] > 1<<32-1 {
			return savedSA{}, fmt.Errorf("field %d is no number", i+1)
		}
	}
	key := make([]byte, hex.DecodedLen(len(f[17])))
	if _, err := hex.Decode(key, f[17]); err != nil || uint64(len(key)) != n[8]+n[10] {
		clear(key)
		return savedSA{}, errors.New("the key is not as long as the line says, or not hexadecimal")
	}
	s, err := savedOf(src, dst, n, key)
	if err != nil {
		clear(key)
		return savedSA{}, err
	}
	life := time.Duration(n[14]) * time.Second
	s.left = life - max(0, now.Sub(at).Round(time.Second))
	s.sa.Life.HardTime = s.left
	return s, nil
}

// savedOf makes the SA of a line's numbers and key.
func savedOf(src, dst netip.Addr, n [savedFields]uint64, key []byte) (savedSA, error) {
	sa := &kernel.SA{Key: kernel.Key{Src: src, Dst: dst, SPI: uint32(n[3])}, Mode: uint8(n[4]), ReqID: uint32(n[5]), Dir: kernel.In,
		Life: kernel.Lifetime{HardBytes: n[13]}}
	for proto, typ := range saTypes {
		if typ == n[2] {
			sa.Key.Proto = proto
		}
	}
	switch {
	case sa.Key.Proto == 0:
		return savedSA{}, fmt.Errorf("SA type %d is not known", n[2])
	case n[4] != 1 && n[4] != 2:
		return savedSA{}, fmt.Errorf("mode %d is neither transport nor tunnel", n[4])
	case n[3] == 0 || n[7] > 1<<16-1 || n[9] > 1<<16-1:
		return savedSA{}, errors.New("the SPI is 0, or an algorithm has no number")
	case sa.Key.Proto == protoIPComp:
		sa.Comp = uint16(n[7])
	case n[7] != 0:
		sa.Encr = &kernel.AlgKey{ID: uint16(n[7]), Key: secret.New(key[:n[8]:n[8]])}
	}
	if n[9] != 0 {
		id := uint16(n[9])
		for doi, typ := range authTypes {
			if typ == n[9] {
				id = doi
			}
		}
		sa.Auth = &kernel.AlgKey{ID: id, Key: secret.New(key[n[8]:])}
	}
	if sa.Encr == nil && sa.Auth == nil && sa.Comp == 0 {
		return savedSA{}, errors.New("there is no algorithm")
	}
	return savedSA{sa: sa}, nil
}

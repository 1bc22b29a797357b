//go:build linux

package xfrm

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// probeAlgorithms lists the algorithms that this kernel takes.
func (b *Backend) probeAlgorithms(p *probed, withDir bool) error {
	try := func(kind kernel.AlgKind, a alg, sa kernel.SA) error {
		missing, err := b.trySA(sa, probing{withDir: withDir})
		if err != nil {
			return err
		}
		if missing != nil {
			b.log.Info("this kernel has no "+a.crypto, "kernel", verdict(missing))
			return nil
		}
		p.algorithms = append(p.algorithms, kernel.Algorithm{Kind: kind, ID: a.ID, MinKey: a.MinKey, MaxKey: a.MaxKey, ICVs: a.icvs()})
		return nil
	}
	if p.features&kernel.FeatESP != 0 {
		for _, a := range encrAlgs {
			if err := try(kernel.AlgEncr, a, espProbe(a, hmacSHA1)); err != nil {
				return err
			}
		}
	}
	for _, a := range authAlgs {
		sa := espProbe(nullEncr, a)
		switch {
		case p.features&kernel.FeatESP != 0:
		case p.features&kernel.FeatAH != 0:
			sa = ahProbe(a)
		default:
			continue
		}
		if err := try(kernel.AlgAuth, a, sa); err != nil {
			return err
		}
	}
	if p.features&kernel.FeatIPComp != 0 {
		p.algorithms = append(p.algorithms, kernel.Algorithm{Kind: kernel.AlgComp, ID: deflate.ID})
	}
	return nil
}

// Addresses of documentation, RFC 5737 and 3849.
var (
	probeSrc4, probeDst4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	probeSrc6, probeDst6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// probing is what a probe has besides its SA.
type probing struct {
	withDir bool
	more    []byte           // attributes
	read    func(*kernel.SA) // gets what the kernel made of it; nil: nobody asks
}

// trySA makes an SA and deletes it. missing says why the kernel cannot have it; err that
// the question got no answer.
func (b *Backend) trySA(sa kernel.SA, how probing) (missing, err error) {
	var spi [2]byte
	rand.Read(spi[:])
	sa.Key.SPI = minSPI + uint32(big.Uint16(spi[:]))%(maxCPI-minSPI) // a CPI too
	sa.Key.Src = probeSrc4
	switch {
	case !sa.Key.Dst.IsValid():
		sa.Key.Dst = probeDst4
	case sa.Key.Dst.Is6():
		sa.Key.Src = probeSrc6
	}
	if sa.Mode == 0 {
		sa.Mode = kernel.ModeTransport
	}
	sa.Dir = kernel.In
	sa.Life.HardTime = 5 * time.Second // should we die here
	body, err := encodeSA(&sa, saOptions{window: defaultWindow, withDir: how.withDir})
	if err != nil {
		return nil, err
	}
	id, err := encodeSAID(sa.Key)
	if err != nil {
		return nil, err
	}
	switch err := b.xfrm.ack(msgNewSA, append(body, how.more...)); {
	case err == nil:
		return nil, errors.Join(b.readProbe(id, how.read), b.xfrm.ack(msgDelSA, id))
	case errors.Is(err, syscall.EEXIST): // so it was possible
		return nil, nil
	case isMissing(err):
		return err, nil
	case errors.Is(err, syscall.EPERM):
		return nil, toError("kernel-xfrm needs CAP_NET_ADMIN in its network namespace", err)
	default:
		return nil, err
	}
}

func (b *Backend) readProbe(id []byte, read func(*kernel.SA)) error {
	if read == nil {
		return nil
	}
	body, err := b.xfrm.get(msgGetSA, id)
	if err != nil {
		return err
	}
	o, err := decodeSA(body, b.now(), false)
	if err == nil {
		read(o.SA)
	}
	return err
}

// isMissing says whether err is of a kernel that lacks a protocol or a mode, an
// algorithm (ENOSYS from XFRM, ENOENT from the crypto API), a family, or something
// that it calls invalid; our probes are valid.
func isMissing(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{
		syscall.EPROTONOSUPPORT, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.ENOENT, syscall.EAFNOSUPPORT, syscall.EINVAL,
	}, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

func espProbe(encr, auth alg) kernel.SA {
	sa := kernel.SA{Key: kernel.Key{Proto: protoESP}, Encr: encr.probeKey()}
	if !encr.AEAD {
		sa.Auth = auth.probeKey()
	}
	return sa
}

func ahProbe(auth alg) kernel.SA {
	return kernel.SA{Key: kernel.Key{Proto: protoAH}, Auth: auth.probeKey()}
}

// probeKey is a key of the shortest length. It protects nothing; its octets
// differ because FIPS kernels refuse 3DES keys with equal parts.
func (a alg) probeKey() *kernel.AlgKey {
	key := make([]byte, (a.MinKey+a.Salt)/8)
	for i := range key {
		key[i] = byte(2 * i)
	}
	return &kernel.AlgKey{ID: a.ID, Key: secret.New(key)}
}

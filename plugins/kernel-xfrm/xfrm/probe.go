//go:build linux

package xfrm

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// A prober finds out what this kernel has, once.
type prober struct {
	mu     sync.Mutex
	saDir  *bool // knows XFRMA_SA_DIR
	result *probed
}

type probed struct {
	features   kernel.Feature
	algorithms []kernel.Algorithm
}

// Features that the XFRM of every kernel we support has.
const always = kernel.FeatAcquire | kernel.FeatAcquireSeq | kernel.FeatUseTime | kernel.FeatPolicyEvents |
	kernel.FeatNetEvents | kernel.FeatMark | kernel.FeatIfID | kernel.FeatOutputMark

// Capabilities asks the kernel for what cannot be known otherwise: it makes and
// deletes an SA for every protocol, family, mode and algorithm, between addresses
// of documentation. A kernel without ESP is no error; it has no FeatESP then, and
// one warning says what to do.
func (b *Backend) Capabilities(context.Context) (kernel.Capabilities, error) {
	p, err := b.probe()
	if err != nil {
		return kernel.Capabilities{}, toError("probe the kernel's IPsec", err)
	}
	return kernel.Capabilities{
		Platform:        "linux " + release() + " xfrm",
		Features:        p.features,
		Algorithms:      slices.Clone(p.algorithms),
		MaxOpsPerTxn:    maxOps,
		SPIMin:          minSPI,
		SPIMax:          maxSPI,
		AcquireLifetime: acquireLifetime(),
		ReplayWindowMax: replayESNMax,
	}, nil
}

// knowsSADir says whether the kernel has XFRMA_SA_DIR (since Linux 6.10). It asks
// for an SA that cannot be, with a direction that cannot be: a kernel that
// checks the direction complains about that first.
func (b *Backend) knowsSADir() bool {
	b.prober.mu.Lock()
	defer b.prober.mu.Unlock()
	if b.prober.saDir != nil {
		return *b.prober.saDir
	}
	id, err := encodeSAID(kernel.Key{Dst: probeDst4, Proto: protoESP, SPI: 1})
	if err != nil {
		return false
	}
	_, err = b.xfrm.get(msgGetSA, appendAttr(id, attrSADir, []byte{0xff}))
	known := errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ERANGE)
	if !known && !errors.Is(err, syscall.ESRCH) {
		return false // no answer to this question: ask again next time
	}
	b.prober.saDir = &known
	return known
}

func (b *Backend) probe() (*probed, error) {
	withDir := b.knowsSADir()
	b.prober.mu.Lock()
	defer b.prober.mu.Unlock()
	if b.prober.result != nil {
		return b.prober.result, nil
	}
	p := &probed{features: always}
	for _, part := range []func(*probed, bool) error{b.probeProtocols, b.probeVariants, b.probeAlgorithms} {
		if err := part(p, withDir); err != nil {
			return nil, err
		}
	}
	b.prober.result = p
	return p, nil
}

// probeProtocols asks for ESP, AH and IPComp in both families. ESP is worth a
// warning; who wants one of the others is told when an SA needs it.
func (b *Backend) probeProtocols(p *probed, withDir bool) error {
	for _, proto := range []struct {
		sa   kernel.SA
		feat kernel.Feature
		log  func(string, ...any)
	}{
		{espProbe(nullEncr, hmacSHA1), kernel.FeatESP, b.log.Warn},
		{ahProbe(hmacSHA1), kernel.FeatAH, b.log.Info},
		{kernel.SA{Key: kernel.Key{Proto: protoIPComp}, Comp: deflate.id}, kernel.FeatIPComp, b.log.Info},
	} {
		var lacking []netip.Addr // a destination of each family
		var why error
		for _, dst := range []netip.Addr{probeDst4, probeDst6} {
			sa := proto.sa
			sa.Key.Dst = dst
			missing, err := b.trySA(sa, withDir)
			if err != nil {
				return err
			}
			if missing != nil {
				lacking, why = append(lacking, dst), missing
				continue
			}
			p.features |= proto.feat
		}
		if len(lacking) > 0 {
			proto.log(lacks(proto.sa.Key.Proto, lacking...), "kernel", why)
		}
	}
	if p.features&(kernel.FeatESP|kernel.FeatAH) != 0 {
		p.features |= kernel.FeatTunnel | kernel.FeatTransport | kernel.FeatUpdateAddresses
	}
	return nil
}

// probeVariants asks for what an ESP may have besides: where there is none, there
// is nothing to ask.
func (b *Backend) probeVariants(p *probed, withDir bool) error {
	if p.features&kernel.FeatESP == 0 {
		return nil
	}
	variant := func(change func(*kernel.SA)) kernel.SA {
		sa := espProbe(nullEncr, hmacSHA1)
		change(&sa)
		return sa
	}
	for _, v := range []struct {
		name string
		sa   kernel.SA
		feat kernel.Feature
	}{
		{"ESP in UDP", variant(func(sa *kernel.SA) { sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500} }), kernel.FeatNATT},
		{"ESP in UDP over IPv6 (it needs Linux 5.8)", variant(func(sa *kernel.SA) {
			sa.Key.Dst, sa.Encap = probeDst6, &kernel.Encap{SrcPort: 4500, DstPort: 4500}
		}), 0},
		{"BEET mode", variant(func(sa *kernel.SA) {
			sa.Mode, sa.Sel = kernel.ModeBEET, &kernel.Selector{Src: hostPrefix(probeSrc4), Dst: hostPrefix(probeDst4)}
		}), kernel.FeatBEET},
		{"extended sequence numbers", variant(func(sa *kernel.SA) { sa.ESN = true }), kernel.FeatESN},
	} {
		missing, err := b.trySA(v.sa, withDir)
		if err != nil {
			return err
		}
		if missing != nil {
			b.log.Info("this kernel cannot do "+v.name, "kernel", missing)
			continue
		}
		p.features |= v.feat
	}
	known, err := b.knowsOffload(withDir)
	switch {
	case known:
		p.features |= kernel.FeatOffload
	case err == nil && b.cfg.Offload != "":
		b.log.Warn("this kernel cannot offload ESP, so it does it itself; load the modules esp4_offload and esp6_offload, "+
			"or use a kernel with CONFIG_INET_ESP_OFFLOAD and CONFIG_INET6_ESP_OFFLOAD", "offload", b.cfg.Offload)
	}
	return err
}

// probeAlgorithms lists the algorithms that this kernel takes.
func (b *Backend) probeAlgorithms(p *probed, withDir bool) error {
	try := func(kind kernel.AlgKind, a alg, sa kernel.SA) error {
		missing, err := b.trySA(sa, withDir)
		if err != nil {
			return err
		}
		if missing != nil {
			b.log.Info("this kernel has no "+a.name, "kernel", missing)
			return nil
		}
		p.algorithms = append(p.algorithms, kernel.Algorithm{Kind: kind, ID: a.id, MinKey: a.minBits, MaxKey: a.maxBits, ICVs: a.icvs()})
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
		p.algorithms = append(p.algorithms, kernel.Algorithm{Kind: kernel.AlgComp, ID: deflate.id})
	}
	return nil
}

// Addresses of documentation, RFC 5737 and 3849.
var (
	probeSrc4, probeDst4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	probeSrc6, probeDst6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// trySA makes an SA, with more attributes, and deletes it. missing says why the kernel
// cannot have it; err that the question got no answer.
func (b *Backend) trySA(sa kernel.SA, withDir bool, more ...byte) (missing, err error) {
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
	body, err := encodeSA(&sa, saOptions{window: defaultWindow, withDir: withDir})
	if err != nil {
		return nil, err
	}
	id, err := encodeSAID(sa.Key)
	if err != nil {
		return nil, err
	}
	switch err := b.xfrm.ack(msgNewSA, append(body, more...)); {
	case err == nil:
		return nil, b.xfrm.ack(msgDelSA, id)
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
	if !encr.aead {
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
	key := make([]byte, (a.minBits+a.saltBits)/8)
	for i := range key {
		key[i] = byte(2 * i)
	}
	return &kernel.AlgKey{ID: a.id, Key: secret.New(key)}
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// acquireLifetime is how long a larval SA lives. Inside a user namespace the
// sysctl is not visible; the kernel's default holds there.
func acquireLifetime() time.Duration {
	text, err := os.ReadFile("/proc/sys/net/core/xfrm_acq_expires")
	if err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32); err == nil {
			return time.Duration(n) * time.Second
		}
	}
	return 30 * time.Second
}

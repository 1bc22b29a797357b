package pfkey

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Features that every PF_KEY has.
const always = kernel.FeatAcquire | kernel.FeatAcquireSeq | kernel.FeatUseTime | kernel.FeatPolicyEvents | kernel.FeatNetEvents |
	kernel.FeatNoReplay | kernel.FeatSAEvents

// Capabilities asks the kernel: it registers, which tells its algorithms. Linux
// does not tell its protocols; there an SA of each is made and deleted, between
// addresses of documentation.
func (b *Backend) Capabilities(context.Context) (kernel.Capabilities, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probed == nil {
		c, err := b.probe()
		if err != nil {
			return kernel.Capabilities{}, errs.OS("probe the kernel's IPsec", err)
		}
		b.probed = &c
	}
	c := *b.probed
	c.Algorithms = slices.Clone(c.Algorithms)
	return c, nil
}

func (b *Backend) probe() (c kernel.Capabilities, err error) {
	s, err := b.conn.dial()
	if err != nil {
		return c, err
	}
	defer s.close()
	reg, others, err := b.register(s)
	for _, m := range others {
		clear(m)
	}
	if err != nil {
		return c, err
	}
	have := reg.protocols
	if b.sys.Priming {
		if have, err = b.tryProtocols(); err != nil {
			return c, err
		}
	}
	c = kernel.Capabilities{
		Platform: b.sys.Name + " " + release() + " pfkey", Features: always, MaxOpsPerTxn: txn.MaxOps,
		SPIMin: minSPI, SPIMax: maxSPI, AcquireLifetime: acquireLifetime(b.sys.Name), ReplayWindowMax: b.sys.Replay.Max,
		Algorithms: b.sys.algorithms(reg.encr, reg.auth, slices.Contains(have, protoIPComp)),
	}
	for proto, feature := range map[uint8]kernel.Feature{
		protoESP: kernel.FeatESP | kernel.FeatNATT, protoAH: kernel.FeatAH, protoIPComp: kernel.FeatIPComp,
	} {
		if slices.Contains(have, proto) {
			c.Features |= feature
		}
	}
	if c.Features&(kernel.FeatESP|kernel.FeatAH) != 0 {
		c.Features |= kernel.FeatTunnel | kernel.FeatTransport
		if b.sys.ESN != 0 {
			c.Features |= kernel.FeatESN
		}
	}
	if b.sys.NewSrc != 0 {
		c.Features |= kernel.FeatUpdateAddresses
	}
	return c, nil
}

// registered is what the answers to REGISTER tell.
type registered struct {
	protocols  []uint8
	encr, auth []supported
}

// register makes s get the kernel's ACQUIREs and EXPIREs. Messages that came
// between its answers are returned too.
func (b *Backend) register(s socket) (reg registered, others [][]byte, err error) {
	buf := make([]byte, maxMessage)
	defer clear(buf) // what others are told has their keys
	for i, t := range []uint8{saTypeESP, saTypeAH, saTypeIPComp} {
		req := b.sys.message(msgRegister, t, ownSeq+uint32(i)).bytes()
		native.PutUint32(req[hdrPID:], b.conn.pid)
		if err := s.send(req); err != nil {
			return reg, nil, err
		}
		m, err := b.registerAnswer(s, req, buf, &others)
		var errno syscall.Errno
		switch {
		case errors.As(err, &errno) && m != nil:
			b.log.Warn("the kernel does not register an SA type", "satype", t, "err", errno)
			continue
		case err != nil:
			return reg, nil, err
		}
		reg.protocols = append(reg.protocols, protocols[t])
		if err := reg.add(m); err != nil {
			return reg, nil, err
		}
	}
	if len(reg.protocols) == 0 {
		return reg, nil, unsupported("this kernel registers neither ESP nor AH: %s", b.sys.Advice)
	}
	return reg, others, nil
}

func (b *Backend) registerAnswer(s socket, req, buf []byte, others *[][]byte) (*received, error) {
	deadline := time.Now().Add(answerTimeout)
	for {
		n, err := s.receive(buf, deadline)
		if err != nil {
			return nil, err
		}
		m, err := b.sys.parse(buf[:n])
		switch {
		case err != nil:
			return nil, err
		case m.answers(req, b.conn.pid):
			if m.errno != 0 {
				return m, syscall.Errno(m.errno)
			}
			return m, nil
		}
		*others = append(*others, slices.Clone(buf[:n]))
	}
}

// add adds the algorithms of one answer: Linux gives all of them every time.
func (r *registered) add(m *received) error {
	for _, part := range []struct {
		typ  uint16
		list *[]supported
	}{{extSupportedEncrypt, &r.encr}, {extSupportedAuth, &r.auth}} {
		have, err := m.supported(part.typ)
		if err != nil {
			return err
		}
		if m.saType == saTypeIPComp { // they are algorithms of compression there
			continue
		}
		for _, a := range have {
			if !slices.Contains(*part.list, a) {
				*part.list = append(*part.list, a)
			}
		}
	}
	return nil
}

// Addresses of documentation, RFC 5737.
var (
	probeSrc = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	probeDst = netip.AddrFrom4([4]byte{192, 0, 2, 2})
)

// tryProtocols makes and deletes an SA of each protocol.
func (b *Backend) tryProtocols() (have []uint8, err error) {
	hmac := &kernel.AlgKey{ID: 2, Key: secret.New(make([]byte, 20))}
	for _, sa := range []kernel.SA{
		{Key: kernel.Key{Proto: protoESP}, Encr: &kernel.AlgKey{ID: ipsec.Null}, Auth: hmac},
		{Key: kernel.Key{Proto: protoAH}, Auth: hmac},
		{Key: kernel.Key{Proto: protoIPComp}, Comp: deflate},
	} {
		var spi [2]byte
		rand.Read(spi[:])
		sa.Key.Src, sa.Key.Dst = probeSrc, probeDst
		sa.Key.SPI = minSPI + uint32(big.Uint16(spi[:]))%(maxCPIOffered-minSPI) // a CPI too
		sa.Mode, sa.Dir = kernel.ModeTransport, kernel.In
		sa.Life.HardTime = 5 * time.Second // should we die here
		undo, err := b.doSA(kernel.AddSA, &sa)
		switch {
		case err == nil:
			if err := undo(); err != nil {
				return nil, err
			}
		case hasReason(err, errs.Exists): // so it was possible
		case hasReason(err, errs.Unsupported):
			b.log.Warn("this kernel cannot do "+modules[sa.Key.Proto].name, "reason", err)
			continue
		default:
			return nil, err
		}
		have = append(have, sa.Key.Proto)
	}
	return have, nil
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// acquireLifetime is how long a larval SA lives: on Linux what the sysctl says,
// if it can be read; KAME's default is the same.
func acquireLifetime(system string) time.Duration {
	if system == "linux" {
		text, err := os.ReadFile("/proc/sys/net/core/xfrm_acq_expires")
		if err == nil {
			if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32); err == nil {
				return time.Duration(n) * time.Second
			}
		}
	}
	return 30 * time.Second
}

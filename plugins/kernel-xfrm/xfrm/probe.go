//go:build linux

package xfrm

import (
	"context"
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
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// A prober finds out what this kernel has, once.
type prober struct {
	mu     sync.Mutex
	saDir  *bool // knows XFRMA_SA_DIR
	result *probed
}

type probed struct {
	features   kernel.Feature
	unasked    kernel.Feature // what could not be asked without ESP: the SA that wants it will be refused
	algorithms []kernel.Algorithm
}

// Features that the XFRM of every kernel we support has.
const always = kernel.FeatAcquire | kernel.FeatAcquireSeq | kernel.FeatUseTime | kernel.FeatPolicyEvents |
	kernel.FeatNetEvents | kernel.FeatNoReplay | kernel.FeatSAEvents

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
		MaxOpsPerTxn:    txn.MaxOps,
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
	for _, part := range []func(*probed, bool) error{b.probeProtocols, b.probeVariants, b.probeMarks, b.probeAlgorithms} {
		if err := part(p, withDir); err != nil {
			return nil, err
		}
	}
	b.prober.result = p
	return p, nil
}

// probeProtocols asks for ESP, AH and IPComp in both families. ESP is worth a
// warning, and the others a word only beside it; who wants one is told when an SA
// needs it.
func (b *Backend) probeProtocols(p *probed, withDir bool) error {
	for _, proto := range []struct {
		sa   kernel.SA
		feat kernel.Feature
		log  func(string, ...any)
	}{
		{espProbe(nullEncr, hmacSHA1), kernel.FeatESP, b.log.Warn},
		{ahProbe(hmacSHA1), kernel.FeatAH, b.log.Info},
		{kernel.SA{Key: kernel.Key{Proto: protoIPComp}, Comp: deflate.ID}, kernel.FeatIPComp, b.log.Info},
	} {
		var lacking []netip.Addr // a destination of each family
		var why error
		for _, dst := range []netip.Addr{probeDst4, probeDst6} {
			sa := proto.sa
			sa.Key.Dst = dst
			missing, err := b.trySA(sa, probing{withDir: withDir})
			if err != nil {
				return err
			}
			if missing != nil {
				lacking, why = append(lacking, dst), missing
				continue
			}
			p.features |= proto.feat
		}
		if len(lacking) > 0 && (proto.feat == kernel.FeatESP || p.features&kernel.FeatESP != 0) {
			proto.log(lacks(proto.sa.Key.Proto, lacking...), "kernel", verdict(why))
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
		missing, err := b.trySA(v.sa, probing{withDir: withDir})
		if err != nil {
			return err
		}
		if missing != nil {
			b.log.Info("this kernel cannot do "+v.name, "kernel", verdict(missing))
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

// probeMarks asks for what kernels before 4.19 ignore without a word, so that an SA of
// one interface would be one of all. A larval SA needs no ESP and says what was
// understood; it has no output mark, for which an SA is read back.
func (b *Backend) probeMarks(p *probed, withDir bool) error {
	body, err := encodeSPIRequest(kernel.SPIRequest{Src: probeSrc4, Dst: probeDst4, Proto: protoESP}, withDir)
	if err != nil {
		return err
	}
	mark := &kernel.Mark{Value: 1, Mask: 0xff}
	answer, err := b.xfrm.get(msgAllocSPI, appendIfID(appendMark(body, mark), 1))
	if err != nil {
		return err
	}
	larval, err := decodeSA(answer, b.now(), false)
	if err != nil {
		return err
	}
	if _, err := b.deleteSA(larval.SA.Key, false); err != nil {
		return err
	}
	marked := kernel.SA{}
	if p.features&kernel.FeatESP == 0 {
		p.unasked = kernel.FeatOutputMark | kernel.FeatOffload
	} else {
		sa := espProbe(nullEncr, hmacSHA1)
		sa.OutputMark = mark
		if _, err := b.trySA(sa, probing{withDir: withDir, read: func(sa *kernel.SA) { marked = *sa }}); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		known bool
		feat  kernel.Feature
	}{
		{larval.SA.Key.Mark != nil, kernel.FeatMark},
		{larval.SA.Key.IfID == 1, kernel.FeatIfID},
		{marked.OutputMark != nil && marked.OutputMark.Mask == mark.Mask, kernel.FeatOutputMark},
	} {
		if f.known {
			p.features |= f.feat
		}
	}
	return nil
}

// ignored are the features that a kernel without them ignores without a word, by what
// asks for them.
var ignored = []struct {
	feat kernel.Feature
	name string
	used func(kernel.Key, *kernel.SA) bool
}{
	{kernel.FeatMark, "mark", func(k kernel.Key, _ *kernel.SA) bool { return k.Mark != nil }},
	{kernel.FeatIfID, "XFRM interface", func(k kernel.Key, _ *kernel.SA) bool { return k.IfID != 0 }},
	{kernel.FeatOutputMark, "output mark", func(_ kernel.Key, sa *kernel.SA) bool { return sa.OutputMark != nil }},
	{kernel.FeatOffload, "offload", func(_ kernel.Key, sa *kernel.SA) bool { return sa.Offload != "" }},
}

// checkIgnored refuses what this kernel would ignore in an SA or a policy called k.
func (b *Backend) checkIgnored(k kernel.Key, sa *kernel.SA) error {
	for _, f := range ignored {
		if !f.used(k, sa) {
			continue
		}
		if p, err := b.probe(); err != nil {
			return err
		} else if (p.features|p.unasked)&f.feat == 0 {
			return unsupported("%s: this kernel has none", f.name)
		}
	}
	return nil
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

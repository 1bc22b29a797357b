//go:build linux

package xfrm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// Backend is the Linux kernel. Its methods may be called at once by many.
type Backend struct {
	cfg   Config
	log   *slog.Logger
	xfrm  *conn
	route *conn
	now   func() time.Time

	txns       txn.Memory
	generation atomic.Uint64 // of the last transaction that ended
	prober     prober
}

var _ kernel.Backend = (*Backend)(nil)

// New returns a backend in the network namespace of the calling thread. It opens
// nothing yet: the first request does.
func New(cfg Config, log *slog.Logger) (*Backend, error) {
	if runtime.GOARCH == "386" {
		// Its alignment gives linux/xfrm.h another layout than uapi.go has.
		return nil, unsupported("kernel-xfrm does not run as a 32-bit x86 program; use the amd64 build")
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return newBackend(cfg, log, dialXFRM, dialRoute), nil
}

func newBackend(cfg Config, log *slog.Logger, xfrm, route dialer) *Backend {
	return &Backend{cfg: cfg, log: log, xfrm: &conn{dial: xfrm}, route: &conn{dial: route}, now: time.Now}
}

// Close gives up the sockets. SAs and policies stay in the kernel.
func (b *Backend) Close(context.Context) error {
	return errors.Join(b.route.close(), b.xfrm.close())
}

// Larval SAs that AllocateSPIs makes are of tunnel mode: the kernel looks at the
// mode of the SA that replaces them only.
const larvalMode = modeTunnel

// AllocateSPIs reserves SPIs by XFRM_MSG_ALLOCSPI: each leaves a larval SA that
// UpdateSA turns into the real one, or the kernel drops after AcquireLifetime.
// Min and Max 0 are the whole range of the protocol.
func (b *Backend) AllocateSPIs(_ context.Context, reqs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	withDir := b.knowsSADir()
	res := make([]kernel.SPIResult, len(reqs))
	for i, r := range reqs {
		spi, err := b.allocSPI(r, withDir)
		res[i] = kernel.SPIResult{SPI: spi, Err: toError(fmt.Sprintf("allocate SPI for protocol %d, %v -> %v", r.Proto, r.Src, r.Dst), err)}
	}
	return res, nil
}

func (b *Backend) allocSPI(r kernel.SPIRequest, withDir bool) (uint32, error) {
	body, err := encodeSPIRequest(r, withDir)
	if err != nil {
		return 0, err
	}
	reply, err := b.xfrm.get(msgAllocSPI, body)
	if err != nil {
		return 0, err
	}
	if err := need(reply, sizeSAInfo, "answer to ALLOCSPI"); err != nil {
		return 0, err
	}
	return big.Uint32(reply[saSPI:]), nil
}

// encodeSPIRequest returns the body of XFRM_MSG_ALLOCSPI.
func encodeSPIRequest(r kernel.SPIRequest, withDir bool) ([]byte, error) {
	src, dst, err := endpoints(r.Src, r.Dst)
	if err != nil {
		return nil, err
	}
	lo, hi := uint32(minSPI), uint32(maxSPI)
	switch r.Proto {
	case protoESP, protoAH:
	case protoIPComp:
		hi = maxCPI
	default:
		return nil, unsupported("SPI for protocol %d", r.Proto)
	}
	if r.Min != 0 {
		lo = r.Min
	}
	if r.Max != 0 {
		hi = r.Max
	}
	if lo < minSPI || lo > hi || r.Proto == protoIPComp && hi > 0xffff {
		return nil, invalid("SPI range 0x%x to 0x%x", lo, hi)
	}
	b := make([]byte, sizeSPIInfo, sizeSPIInfo+8)
	putAddr(b[saDst:], dst)
	b[saProto] = r.Proto
	putAddr(b[saSrc:], src)
	native.PutUint32(b[saSeq:], r.Seq)
	native.PutUint32(b[saReqID:], r.ReqID)
	native.PutUint16(b[saFamily:], familyOf(dst))
	b[saMode] = larvalMode
	native.PutUint32(b[spiMin:], lo)
	native.PutUint32(b[spiMax:], hi)
	if withDir { // else the kernel refuses to make an inbound SA of it
		b = appendAttr(b, attrSADir, []byte{saDirIn})
	}
	return b, nil
}

// Query reads the counters of SAs and policies; one that is gone is not Found.
// Linux tells the last use of every policy, that of an SA in newer kernels only,
// and the first use of SAs only.
func (b *Backend) Query(_ context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	reqs := make([]netlink.Message, len(keys))
	for i, k := range keys {
		var err error
		if reqs[i], err = encodeQuery(k); err != nil {
			return nil, queryError(k, err)
		}
	}
	answers, err := b.xfrm.getAll(reqs)
	if err != nil {
		return nil, toError("read counters", err)
	}
	stats := make([]kernel.Stats, len(keys))
	for i, a := range answers {
		s, e := b.decodeQuery(keys[i], a)
		if stats[i] = s; e != nil && err == nil {
			err = queryError(keys[i], e)
		}
	}
	if err != nil {
		return nil, err
	}
	return stats, nil
}

func encodeQuery(k kernel.Key) (m netlink.Message, err error) {
	if k.Policy != nil {
		m.Header.Type = msgGetPolicy
		m.Data, err = encodePolicyID(*k.Policy)
		return m, err
	}
	m.Header.Type = msgGetSA
	m.Data, err = encodeSAID(k)
	return m, err
}

func (b *Backend) decodeQuery(k kernel.Key, a answer) (kernel.Stats, error) {
	defer clear(a.body) // an SA's has the keys
	switch {
	case isNotFound(a.err):
		return kernel.Stats{}, nil
	case a.err != nil:
		return kernel.Stats{}, a.err
	case k.Policy != nil:
		_, stats, _, err := decodePolicy(a.body)
		return stats, err
	}
	o, err := decodeSA(a.body, b.now(), false)
	return o.Stats, err
}

func queryError(k kernel.Key, err error) error {
	if k.Policy != nil {
		return toError("read "+describePolicy(*k.Policy), err)
	}
	return toError("read SA "+describeKey(k), err)
}

// Dump streams SAs, then policies, then addresses. With ReqIDs only SAs of these,
// and policies with a template of these. Objects may change while they are read;
// every one that was there all the time is reported.
func (b *Backend) Dump(ctx context.Context, f kernel.DumpFilter, emit func(kernel.Object) error) error {
	var stop error // of the caller: not ours to wrap
	pass := func(o kernel.Object) error {
		if stop = ctx.Err(); stop == nil {
			stop = emit(o)
		}
		return stop
	}
	for _, part := range []struct {
		wanted bool
		name   string
		dump   func(kernel.DumpFilter, func(kernel.Object) error) error
	}{
		{f.SAs, "dump SAs", b.dumpSAs},
		{f.Policies, "dump policies", b.dumpPolicies},
		{f.Addresses, "dump addresses", b.dumpAddresses},
	} {
		if !part.wanted {
			continue
		}
		if err := part.dump(f, pass); stop != nil {
			return stop
		} else if err != nil {
			return toError(part.name, err)
		}
	}
	return nil
}

func (b *Backend) dumpSAs(f kernel.DumpFilter, emit func(kernel.Object) error) error {
	withKeys := f.WithKeys && b.cfg.DumpKeys
	names := linkNames{conn: b.route, byIndex: make(map[uint32]link)}
	// Without a body: the kernel then dumps SAs of all protocols.
	return dump(b.xfrm.dial, msgGetSA, nil, func(m netlink.Message) error {
		defer clear(m.Data) // it has the keys
		o, err := decodeSA(m.Data, b.now(), withKeys)
		if err != nil {
			return err
		}
		// The kernel makes SAs of IP in IP for itself beside those of IPComp tunnels.
		if !isIPsec(o.SA.Key.Proto) || !wanted(f.ReqIDs, o.SA.ReqID) {
			return nil
		}
		if err := nameOffload(o, m.Data, names); err != nil {
			return err
		}
		return emit(o)
	})
}

func isIPsec(proto uint8) bool { return proto == protoESP || proto == protoAH || proto == protoIPComp }

func (b *Backend) dumpPolicies(f kernel.DumpFilter, emit func(kernel.Object) error) error {
	return dump(b.xfrm.dial, msgGetPolicy, nil, func(m netlink.Message) error {
		p, stats, ok, err := decodePolicy(m.Data)
		if err != nil || !ok {
			return err
		}
		ids := make([]uint32, len(p.Templates))
		for i, t := range p.Templates {
			ids[i] = t.ReqID
		}
		if !wanted(f.ReqIDs, ids...) {
			return nil
		}
		return emit(kernel.Object{Policy: p, Stats: stats})
	})
}

// wanted says whether one of have is in the filter; no filter wants all.
func wanted(filter []uint32, have ...uint32) bool {
	return len(filter) == 0 || slices.ContainsFunc(have, func(id uint32) bool { return slices.Contains(filter, id) })
}

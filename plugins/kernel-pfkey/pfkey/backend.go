package pfkey

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// Backend is a kernel with PF_KEY. Its methods may be called at once by many.
type Backend struct {
	sys  *System
	cfg  Config
	log  *slog.Logger
	conn *conn
	// watch opens a socket that gets changes of links and addresses.
	watch dialer
	now   func() time.Time

	memory     txn.Memory
	generation atomic.Uint64 // of the last transaction that ended

	mu     sync.Mutex
	probed *kernel.Capabilities
}

var _ kernel.Backend = (*Backend)(nil)

// New returns a backend for the system it runs on. It opens nothing yet: the
// first request does.
func New(cfg Config, log *slog.Logger) *Backend {
	s := thisSystem()
	return newBackend(s, cfg, log, dialSystem(s), watchNet)
}

func newBackend(s System, cfg Config, log *slog.Logger, dial, watch dialer) *Backend {
	return &Backend{sys: &s, cfg: cfg, log: log, watch: watch, now: time.Now, conn: newConn(&s, dial)}
}

// Close gives up the socket. SAs and policies stay in the kernel.
func (b *Backend) Close(context.Context) error { return b.conn.close() }

// AllocateSPIs reserves SPIs by GETSPI: each leaves a larval SA that UpdateSA
// turns into the real one, or the kernel drops after AcquireLifetime. Min and Max
// 0 are the whole range of the protocol.
func (b *Backend) AllocateSPIs(_ context.Context, reqs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	if b.sys.Refuse != "" {
		return nil, unsupported("%s", b.sys.Refuse)
	}
	res := make([]kernel.SPIResult, len(reqs))
	for i, r := range reqs {
		spi, err := b.getSPI(r)
		res[i] = kernel.SPIResult{SPI: spi, Err: errs.OS(fmt.Sprintf("allocate SPI for protocol %d, %v -> %v", r.Proto, r.Src, r.Dst), err)}
	}
	return res, nil
}

func (b *Backend) getSPI(r kernel.SPIRequest) (spi uint32, err error) {
	req, err := b.sys.encodeGetSPI(r)
	if err != nil {
		return 0, err
	}
	err = b.conn.ask(req, func(m *received) error {
		key, err := m.saKey()
		spi = key.SPI
		return err
	})
	return spi, err
}

// Query reads the counters of SAs and policies; one that is gone is not Found.
func (b *Backend) Query(_ context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	stats := make([]kernel.Stats, len(keys))
	for i, k := range keys {
		var err error
		what := "read SA " + describeKey(k)
		if k.Policy != nil {
			what = "read " + describePolicy(*k.Policy)
			_, stats[i], err = b.findPolicy(*k.Policy)
		} else {
			stats[i], err = b.saStats(k)
		}
		if err != nil && !isNotFound(err) {
			return nil, errs.OS(what, err)
		}
	}
	return stats, nil
}

func (b *Backend) saStats(k kernel.Key) (st kernel.Stats, err error) {
	req, err := b.sys.encodeSAID(msgGet, k)
	if err != nil {
		return st, err
	}
	err = b.conn.ask(req, func(m *received) error {
		o, _, err := m.decodeSA(b.now(), false)
		st = o.Stats
		return err
	})
	return st, err
}

// Dump streams SAs, then policies, then addresses. With ReqIDs only SAs of these,
// and policies with a template of these.
func (b *Backend) Dump(ctx context.Context, f kernel.DumpFilter, emit func(kernel.Object) error) error {
	if b.sys.Refuse != "" {
		return unsupported("%s", b.sys.Refuse)
	}
	for _, part := range []struct {
		wanted bool
		name   string
		read   func() ([]kernel.Object, error)
	}{
		{f.SAs, "dump SAs", func() ([]kernel.Object, error) { return b.sas(f.WithKeys && b.cfg.DumpKeys) }},
		{f.Policies, "dump policies", b.policies},
		{f.Addresses, "dump addresses", addresses},
	} {
		if !part.wanted {
			continue
		}
		list, err := part.read()
		if err != nil {
			return errs.OS(part.name, err)
		}
		for _, o := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !wanted(f.ReqIDs, o) {
				continue
			}
			if err := emit(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted says whether an object has one of the reqids; no filter wants all.
func wanted(filter []uint32, o kernel.Object) bool {
	switch {
	case len(filter) == 0:
		return true
	case o.SA != nil:
		return slices.Contains(filter, o.SA.ReqID)
	case o.Policy != nil:
		return slices.ContainsFunc(o.Policy.Templates, func(t kernel.Template) bool { return slices.Contains(filter, t.ReqID) })
	}
	return true
}

func (b *Backend) sas(withKeys bool) ([]kernel.Object, error) {
	return b.conn.dump(b.sys.message(msgDump, saTypeUnspec, 0).bytes(), func(m *received) (kernel.Object, bool, error) {
		return m.decodeSA(b.now(), withKeys)
	})
}

// policies are those of the SPD. One that the contract has no words for is left out,
// and said: it must not hide the others.
func (b *Backend) policies() ([]kernel.Object, error) {
	return b.conn.dump(b.sys.message(msgSPDDump, saTypeUnspec, 0).bytes(), func(m *received) (kernel.Object, bool, error) {
		p, st, ok, err := m.decodePolicy()
		if err != nil {
			b.log.Warn("a policy is left out", "reason", err)
		}
		return kernel.Object{Policy: p, Stats: st}, ok && err == nil, nil
	})
}

func addresses() (list []kernel.Object, err error) {
	err = eachAddress(func(i net.Interface, p netip.Prefix) error {
		list = append(list, kernel.Object{Address: p, Iface: i.Name})
		return nil
	})
	return list, err
}

// Package kerneltest has a kernel in memory: SAs, policies, addresses and routes
// with the semantics the contract asks of a backend, for tests of whatever calls
// one. It moves no packets; a test plays the traffic with Acquire, Expire, Traffic
// and Mapping.
package kerneltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// IP protocol numbers of SAs.
const (
	ESP    uint8 = 50
	AH     uint8 = 51
	IPComp uint8 = 108
)

// larvalLife is how long an SPI stays reserved.
const larvalLife = 30 * time.Second

// maxTxns bounds the memory for idempotency.
const maxTxns = 4096

// Fake implements kernel.Backend. Make it with New. Safe for concurrent use.
type Fake struct {
	// Before, if set, runs first in every method, and its error is the call's: fault
	// injection. It may block until ctx ends. Set it before use.
	Before func(ctx context.Context, method string) error
	// OpError, if set, may fail a single op of a transaction. Set it before use.
	OpError func(kernel.Op) *errs.Error
	// Route, if set, answers LookupRoutes. Set it before use.
	Route func(kernel.RouteQuery) kernel.Route
	// ICVs, if set, are the lengths HMAC-SHA2-256 can be cut to, in bits; otherwise 128
	// and 96. Set it before use.
	ICVs []uint16
	// Now, if set, is the clock. Set it before use.
	Now func() time.Time

	mu         sync.Mutex
	state      state
	txns       map[string]kernel.TxnResult
	txnOrder   []string
	generation uint64
	seq        uint32
	acquires   map[uint32]int // by sequence number; -1 while not answered
	watchers   map[chan kernel.Event]kernel.EventMask
	calls      map[string]int
}

// state is what a transaction changes, and a rollback restores.
type state struct {
	sas       map[saKey]sa
	policies  map[policyKey]kernel.Policy
	addresses map[netOp]bool
	routes    map[netOp]bool
	bypasses  []netip.AddrPort
}

type saKey struct {
	dst   netip.Addr
	spi   uint32
	proto uint8
}

type sa struct {
	kernel.SA
	stats kernel.Stats
	until time.Time // of a larval SA
}

type policyKey struct {
	dir  kernel.Direction
	sel  kernel.Selector
	mark kernel.Mark
	ifID uint32
}

type netOp struct {
	prefix          netip.Prefix
	iface           string
	gateway, source netip.Addr
}

// New makes an empty kernel.
func New() *Fake {
	return &Fake{
		state: state{
			sas: map[saKey]sa{}, policies: map[policyKey]kernel.Policy{}, addresses: map[netOp]bool{}, routes: map[netOp]bool{},
		},
		txns: map[string]kernel.TxnResult{}, acquires: map[uint32]int{},
		watchers: map[chan kernel.Event]kernel.EventMask{}, calls: map[string]int{},
	}
}

// Spec serves f whatever the configuration.
func (f *Fake) Spec(name string) plugin.Spec {
	return plugin.Spec{
		Name: name, Version: "0", Vendor: "racoon",
		Kernel: func(context.Context, config.Value, plugin.Env) (kernel.Backend, config.Diagnostics) { return f, nil },
	}
}

func (f *Fake) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

// begin counts a call and lets the test interfere; then it takes the lock.
func (f *Fake) begin(ctx context.Context, method string) (unlock func(), err error) {
	if f.Before != nil {
		if err := f.Before(ctx, method); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	f.calls[method]++
	now := f.now()
	for k, s := range f.state.sas {
		if s.State == kernel.Larval && now.After(s.until) {
			delete(f.state.sas, k)
		}
	}
	return f.mu.Unlock, nil
}

func (f *Fake) Capabilities(ctx context.Context) (kernel.Capabilities, error) {
	unlock, err := f.begin(ctx, "Capabilities")
	if err != nil {
		return kernel.Capabilities{}, err
	}
	defer unlock()
	return kernel.Capabilities{
		Platform: "fake",
		Features: kernel.FeatTunnel | kernel.FeatTransport | kernel.FeatESP | kernel.FeatAH | kernel.FeatIPComp |
			kernel.FeatNATT | kernel.FeatESN | kernel.FeatAcquire | kernel.FeatAcquireSeq | kernel.FeatUseTime |
			kernel.FeatPolicyEvents | kernel.FeatUpdateAddresses | kernel.FeatAddresses | kernel.FeatRoutes | kernel.FeatMark | kernel.FeatIfID,
		Algorithms:   f.algorithms(),
		MaxOpsPerTxn: 64, SPIMin: 256, SPIMax: 1<<32 - 1, AcquireLifetime: larvalLife, ReplayWindowMax: 4096,
	}, nil
}

func (f *Fake) algorithms() []kernel.Algorithm {
	sha256 := []uint16{128, 96}
	if f.ICVs != nil {
		sha256 = slices.Clone(f.ICVs)
	}
	return []kernel.Algorithm{
		{Kind: kernel.AlgEncr, ID: 3, MinKey: 192, MaxKey: 192},
		{Kind: kernel.AlgEncr, ID: 12, MinKey: 128, MaxKey: 256},
		{Kind: kernel.AlgEncr, ID: 13, MinKey: 128, MaxKey: 256},
		{Kind: kernel.AlgEncr, ID: 20, MinKey: 128, MaxKey: 256},
		{Kind: kernel.AlgAuth, ID: 1, MinKey: 128, MaxKey: 128, ICVs: []uint16{96}},
		{Kind: kernel.AlgAuth, ID: 2, MinKey: 160, MaxKey: 160, ICVs: []uint16{96}},
		{Kind: kernel.AlgAuth, ID: 5, MinKey: 256, MaxKey: 256, ICVs: sha256},
		{Kind: kernel.AlgAuth, ID: 6, MinKey: 384, MaxKey: 384, ICVs: []uint16{192}},
		{Kind: kernel.AlgAuth, ID: 7, MinKey: 512, MaxKey: 512, ICVs: []uint16{256}},
		{Kind: kernel.AlgComp, ID: 2},
	}
}

// canCut says whether the ICV that k asks for is one of the algorithm's.
func (f *Fake) canCut(k *kernel.AlgKey) bool {
	return k == nil || k.Trunc == 0 || slices.ContainsFunc(f.algorithms(), func(a kernel.Algorithm) bool {
		return a.Kind == kernel.AlgAuth && a.ID == k.ID && slices.Contains(a.ICVs, k.Trunc)
	})
}

func (f *Fake) SocketOptions(ctx context.Context, r kernel.SocketRole, fam kernel.Family) (kernel.SocketSetup, error) {
	unlock, err := f.begin(ctx, "SocketOptions")
	if err != nil {
		return kernel.SocketSetup{}, err
	}
	defer unlock()
	if r != kernel.SocketIKE && r != kernel.SocketNATT || fam != kernel.IPv4 && fam != kernel.IPv6 {
		return kernel.SocketSetup{}, errs.Errorf(errs.Unsupported, "no socket of role %d and family %d", r, fam)
	}
	return kernel.SocketSetup{PolicyBypass: true}, nil
}

func (f *Fake) AllocateSPIs(ctx context.Context, rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	unlock, err := f.begin(ctx, "AllocateSPIs")
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := make([]kernel.SPIResult, len(rs))
	for i, r := range rs {
		spi, err := f.allocate(r)
		out[i] = kernel.SPIResult{SPI: spi, Err: err}
	}
	return out, nil
}

func (f *Fake) allocate(r kernel.SPIRequest) (uint32, *errs.Error) {
	lowest, highest := r.Min, r.Max
	if r.Proto == IPComp {
		highest = min(highest, 0xffff) // a CPI has 16 bits, RFC 3173 section 3.3
	}
	switch {
	case r.Proto != ESP && r.Proto != AH && r.Proto != IPComp:
		return 0, errs.Errorf(errs.Unsupported, "protocol %d has no SPIs", r.Proto)
	case lowest == 0 || lowest > highest:
		return 0, errs.Errorf(errs.Invalid, "SPI range %#x to %#x", lowest, highest)
	case !r.Dst.IsValid():
		return 0, errs.Errorf(errs.Invalid, "no destination address")
	}
	for range 64 {
		spi := lowest + uint32(rand.Uint64N(uint64(highest-lowest)+1))
		k := saKey{r.Dst, spi, r.Proto}
		if _, taken := f.state.sas[k]; taken {
			continue
		}
		f.state.sas[k] = sa{
			SA: kernel.SA{
				Key:   kernel.Key{Src: r.Src, Dst: r.Dst, SPI: spi, Proto: r.Proto},
				ReqID: r.ReqID, Seq: r.Seq, State: kernel.Larval,
			},
			stats: kernel.Stats{Added: f.now()}, until: f.now().Add(larvalLife),
		}
		return spi, nil
	}
	return 0, errs.Errorf(errs.Busy, "no free SPI between %#x and %#x", lowest, highest)
}

func (f *Fake) Query(ctx context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	unlock, err := f.begin(ctx, "Query")
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := make([]kernel.Stats, len(keys))
	for i, k := range keys {
		if k.Policy != nil {
			_, out[i].Found = f.state.policies[keyOf(*k.Policy)]
		} else if s, ok := f.state.sas[saKey{k.Dst, k.SPI, k.Proto}]; ok {
			out[i] = s.stats
			out[i].Found = true
		}
	}
	return out, nil
}

func (f *Fake) Dump(ctx context.Context, filter kernel.DumpFilter, each func(kernel.Object) error) error {
	unlock, err := f.begin(ctx, "Dump")
	if err != nil {
		return err
	}
	objects := f.objects(filter)
	unlock()
	for _, o := range objects {
		if err := each(o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *Fake) objects(filter kernel.DumpFilter) []kernel.Object {
	var all []kernel.Object
	wanted := func(reqID uint32) bool { return len(filter.ReqIDs) == 0 || slices.Contains(filter.ReqIDs, reqID) }
	if filter.SAs {
		for _, s := range f.state.sas {
			if !wanted(s.ReqID) {
				continue
			}
			v := s.SA
			v.Encr, v.Auth = keyless(v.Encr), keyless(v.Auth)
			v.Current = kernel.Lifetime{HardBytes: s.stats.Bytes, HardPackets: s.stats.Packets, HardTime: f.now().Sub(s.stats.Added)}
			all = append(all, kernel.Object{SA: &v, Stats: s.stats})
		}
	}
	if filter.Policies {
		for _, p := range f.state.policies {
			v := p
			if len(p.Templates) == 0 && len(filter.ReqIDs) == 0 || slices.ContainsFunc(p.Templates, func(t kernel.Template) bool { return wanted(t.ReqID) }) {
				all = append(all, kernel.Object{Policy: &v})
			}
		}
	}
	if filter.Addresses {
		for a := range f.state.addresses {
			all = append(all, kernel.Object{Address: a.prefix, Iface: a.iface})
		}
	}
	return all
}

// keyless is k as a dump shows it.
func keyless(k *kernel.AlgKey) *kernel.AlgKey {
	if k == nil {
		return nil
	}
	return &kernel.AlgKey{ID: k.ID, Trunc: k.Trunc}
}

func (f *Fake) LookupRoutes(ctx context.Context, qs []kernel.RouteQuery) ([]kernel.Route, error) {
	unlock, err := f.begin(ctx, "LookupRoutes")
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := make([]kernel.Route, len(qs))
	for i, q := range qs {
		switch {
		case f.Route != nil:
			out[i] = f.Route(q)
		case !q.Dst.IsValid():
			out[i].Err = errs.Errorf(errs.Invalid, "no destination address")
		case q.Src.IsValid():
			out[i] = kernel.Route{Src: q.Src, Iface: "lo", MTU: 1500}
		default:
			out[i].Err = errs.Errorf(errs.NotFound, "no route to %s", q.Dst)
		}
	}
	return out, nil
}

func keyOf(k kernel.PolicyKey) policyKey {
	p := policyKey{dir: k.Dir, sel: k.Sel, ifID: k.IfID}
	if k.Mark != nil {
		p.mark = *k.Mark
	}
	return p
}

func (k saKey) String() string { return fmt.Sprintf("proto %d spi %#x to %s", k.proto, k.spi, k.dst) }

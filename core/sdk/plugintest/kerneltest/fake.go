// Package kerneltest has a kernel in memory: SAs, policies, addresses and routes
// with the semantics the contract asks of a backend, for tests of whatever calls
// one, and as an example for who writes one (docs/porting-kernel.md). It moves no
// packets; a test plays the traffic with Packet, or event by event with Acquire,
// Expire, Traffic and Mapping.
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
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
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
	// DumpKeys makes Dump honour WithKeys, as a backend configured for setkey does. Set
	// it before use.
	DumpKeys bool
	// ICVs, if set, are the lengths HMAC-SHA2-256 can be cut to, in bits; otherwise 128
	// and 96. Set it before use.
	ICVs []uint16
	// Algorithms, if set, are those this kernel has. Set it before use.
	Algorithms []kernel.Algorithm
	// Now, if set, is the clock. Set it before use.
	Now func() time.Time
	// Without are features this kernel does not have: it does not announce them and
	// refuses what needs them. Set it before use.
	Without kernel.Feature
	// Timers: SAs expire when their time has come, and not at Expire only. Set it before
	// use.
	Timers bool

	mu         sync.Mutex
	state      state
	txns       map[string]kernel.TxnResult
	txnOrder   []string
	generation uint64
	seq        uint32
	acquires   map[uint32]int    // by sequence number; -1 while not answered
	waiting    map[uint32]uint32 // acquires of Packet that nobody has answered: sequence number to policy
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
	soft  bool      // its soft limit was told
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
		txns: map[string]kernel.TxnResult{}, acquires: map[uint32]int{}, waiting: map[uint32]uint32{},
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
	f.expireDue()
	return f.mu.Unlock, nil
}

func (f *Fake) Capabilities(ctx context.Context) (kernel.Capabilities, error) {
	unlock, err := f.begin(ctx, "Capabilities")
	if err != nil {
		return kernel.Capabilities{}, err
	}
	defer unlock()
	return kernel.Capabilities{
		Platform:     "fake",
		Features:     f.features(),
		Algorithms:   f.algorithms(),
		MaxOpsPerTxn: 64, SPIMin: 256, SPIMax: 1<<32 - 1, AcquireLifetime: larvalLife, ReplayWindowMax: maxWindow,
	}, nil
}

// Replay windows, in packets. RFC 2406 section 3.4.3 asks for 32.
const (
	minWindow = 32
	maxWindow = 4096
)

func (f *Fake) features() kernel.Feature {
	return (kernel.FeatTunnel | kernel.FeatTransport | kernel.FeatBEET | kernel.FeatESP | kernel.FeatAH | kernel.FeatIPComp |
		kernel.FeatNATT | kernel.FeatESN | kernel.FeatAcquire | kernel.FeatAcquireSeq | kernel.FeatUseTime |
		kernel.FeatPolicyEvents | kernel.FeatUpdateAddresses | kernel.FeatAddresses | kernel.FeatRoutes |
		kernel.FeatMark | kernel.FeatIfID | kernel.FeatOutputMark | kernel.FeatNoReplay | kernel.FeatLabel | kernel.FeatSAEvents) &^ f.Without
}

// lacks says which of the features that something needs this kernel does not have.
func (f *Fake) lacks(needed kernel.Feature) *errs.Error {
	if missing := needed &^ f.features(); missing != 0 {
		return errs.Errorf(errs.Unsupported, "feature %b is not there", missing)
	}
	return nil
}

func (f *Fake) algorithms() []kernel.Algorithm {
	if f.Algorithms != nil {
		return slices.Clone(f.Algorithms)
	}
	sha256 := []uint16{128, 96}
	if f.ICVs != nil {
		sha256 = slices.Clone(f.ICVs)
	}
	var all []kernel.Algorithm
	for _, id := range []uint16{3, 12, 13, 20} {
		a := ipsec.Encr(id)
		all = append(all, kernel.Algorithm{Kind: kernel.AlgEncr, ID: id, MinKey: a.MinKey, MaxKey: a.MaxKey})
	}
	for _, id := range []uint16{1, 2, 5, 6, 7} {
		a := ipsec.Auth(id)
		all = append(all, kernel.Algorithm{Kind: kernel.AlgAuth, ID: id, MinKey: a.MinKey, MaxKey: a.MaxKey, ICVs: []uint16{a.ICV}})
		if id == 5 {
			all[len(all)-1].ICVs = sha256
		}
	}
	if f.lacks(kernel.FeatIPComp) == nil {
		all = append(all, kernel.Algorithm{Kind: kernel.AlgComp, ID: 2})
	}
	return all
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
			_, out[i].Found = f.policy(*k.Policy)
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
			if !f.DumpKeys || !filter.WithKeys {
				v.Encr, v.Auth = keyless(v.Encr), keyless(v.Auth)
			}
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
		case !q.Dst.IsValid() || q.Src.IsValid() && q.Src.Is4() != q.Dst.Is4():
			out[i].Err = errs.Errorf(errs.Invalid, "route from %v to %v", q.Src, q.Dst)
		case q.Src.IsValid():
			out[i] = kernel.Route{Src: q.Src, Iface: "lo", MTU: 1500}
		default:
			out[i].Err = errs.Errorf(errs.NotFound, "no route to %s", q.Dst)
		}
	}
	return out, nil
}

// policy finds one by its selector, or where that is empty by its index.
func (f *Fake) policy(k kernel.PolicyKey) (kernel.Policy, bool) {
	if p, ok := f.state.policies[keyOf(k)]; ok || k.ID == 0 || k.Sel.Src.IsValid() {
		return p, ok
	}
	for _, p := range f.state.policies {
		if p.Key.ID == k.ID {
			return p, true
		}
	}
	return kernel.Policy{}, false
}

func keyOf(k kernel.PolicyKey) policyKey {
	p := policyKey{dir: k.Dir, sel: k.Sel, ifID: k.IfID}
	if k.Mark != nil {
		p.mark = *k.Mark
	}
	return p
}

func (k saKey) String() string { return fmt.Sprintf("proto %d spi %#x to %s", k.proto, k.spi, k.dst) }

package plugintest

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// mutant is the fake with one of its methods replaced.
type mutant struct {
	*kerneltest.Fake
	caps   func(*kernel.Capabilities)
	sock   func(kernel.SocketRole, kernel.Family) (kernel.SocketSetup, error)
	spis   func([]kernel.SPIRequest) ([]kernel.SPIResult, error)
	apply  func([]kernel.Transaction) ([]kernel.TxnResult, error)
	query  func([]kernel.Key) ([]kernel.Stats, error)
	dump   func(context.Context, kernel.DumpFilter, func(kernel.Object) error) error
	event  func(kernel.Event, func(kernel.Event) error) error
	events func(context.Context, kernel.EventMask, func(kernel.Event) error) error
	routes func([]kernel.RouteQuery) ([]kernel.Route, error)
}

func (m *mutant) Capabilities(ctx context.Context) (kernel.Capabilities, error) {
	c, err := m.Fake.Capabilities(ctx)
	if m.caps != nil {
		m.caps(&c)
	}
	return c, err
}

func (m *mutant) SocketOptions(ctx context.Context, r kernel.SocketRole, f kernel.Family) (kernel.SocketSetup, error) {
	if m.sock != nil {
		return m.sock(r, f)
	}
	return m.Fake.SocketOptions(ctx, r, f)
}

func (m *mutant) AllocateSPIs(ctx context.Context, rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	if m.spis != nil {
		return m.spis(rs)
	}
	return m.Fake.AllocateSPIs(ctx, rs)
}

func (m *mutant) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	if m.apply != nil {
		return m.apply(ts)
	}
	return m.Fake.Apply(ctx, ts)
}

func (m *mutant) Query(ctx context.Context, ks []kernel.Key) ([]kernel.Stats, error) {
	if m.query != nil {
		return m.query(ks)
	}
	return m.Fake.Query(ctx, ks)
}

func (m *mutant) Dump(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	if m.dump != nil {
		return m.dump(ctx, f, each)
	}
	return m.Fake.Dump(ctx, f, each)
}

func (m *mutant) Events(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
	switch {
	case m.events != nil:
		return m.events(ctx, mask, each)
	case m.event != nil:
		return m.Fake.Events(ctx, mask, func(e kernel.Event) error { return m.event(e, each) })
	}
	return m.Fake.Events(ctx, mask, each)
}

func (m *mutant) LookupRoutes(ctx context.Context, qs []kernel.RouteQuery) ([]kernel.Route, error) {
	if m.routes != nil {
		return m.routes(qs)
	}
	return m.Fake.LookupRoutes(ctx, qs)
}

// without leaves events of one kind out.
func without(kind kernel.EventKind) func(kernel.Event, func(kernel.Event) error) error {
	return func(e kernel.Event, each func(kernel.Event) error) error {
		if e.Kind == kind {
			return nil
		}
		return each(e)
	}
}

// ops lets f change every op, and its transaction, before the fake sees it.
func (m *mutant) ops(f func(*kernel.Transaction, *kernel.Op)) {
	m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
		for i := range ts {
			for j := range ts[i].Ops {
				f(&ts[i], &ts[i].Ops[j])
			}
		}
		return m.Fake.Apply(context.Background(), ts)
	}
}

// results lets f change every result.
func (m *mutant) results(f func(kernel.Transaction, int, *kernel.OpResult)) {
	m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
		res, err := m.Fake.Apply(context.Background(), ts)
		for i := range res {
			ops := slices.Clone(res[i].Ops)
			for j := range ops {
				f(ts[i], j, &ops[j])
			}
			res[i].Ops = ops
		}
		return res, err
	}
}

// objects lets f change or leave out what a dump has.
func (m *mutant) objects(f func(*kernel.Object) bool) {
	m.dump = func(ctx context.Context, filter kernel.DumpFilter, each func(kernel.Object) error) error {
		return m.Fake.Dump(ctx, filter, func(o kernel.Object) error {
			if !f(&o) {
				return nil
			}
			return each(o)
		})
	}
}

func policyOf(f func(*kernel.Policy)) func(*kernel.Transaction, *kernel.Op) {
	return func(_ *kernel.Transaction, o *kernel.Op) {
		if o.Policy != nil && o.Kind != kernel.DeletePolicy {
			f(o.Policy)
		}
	}
}

func saOf(f func(*kernel.Op, *kernel.SA)) func(*kernel.Transaction, *kernel.Op) {
	return func(_ *kernel.Transaction, o *kernel.Op) {
		if o.SA != nil && o.Kind != kernel.DeleteSA {
			f(o, o.SA)
		}
	}
}

// mutants break one rule each, and fail the check that is about it.
var mutants = []struct {
	fault  string
	fails  string
	break_ func(*mutant)
}{
	{"no platform", "its capabilities", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Platform = "" } }},
	{"reserved SPIs", "its capabilities", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.SPIMin = 1 } }},
	{"few ops", "its capabilities", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.MaxOpsPerTxn = 8 } }},
	{"compression without IPComp", "its capabilities", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatIPComp } }},
	{"neither tunnel nor transport", "its capabilities", func(m *mutant) {
		m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatTunnel | kernel.FeatTransport }
	}},
	{"ESP that is not announced", "its capabilities", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatESP } }},
	{"an option without a name", "it tells the socket options", func(m *mutant) {
		m.sock = func(_ kernel.SocketRole, f kernel.Family) (kernel.SocketSetup, error) {
			if f != kernel.IPv4 && f != kernel.IPv6 {
				return kernel.SocketSetup{}, errs.Errorf(errs.Unsupported, "no")
			}
			return kernel.SocketSetup{Options: []kernel.SocketOption{{Value: []byte{1}}}}, nil
		}
	}},
	{"a query that fails for what is not there", "what is not there", func(m *mutant) {
		m.query = func([]kernel.Key) ([]kernel.Stats, error) { return nil, errs.Errorf(errs.NotFound, "no such SA") }
	}},
	{"it deletes what is not there", "what is not there", func(m *mutant) {
		m.results(func(_ kernel.Transaction, _ int, r *kernel.OpResult) {
			if r.Err != nil && r.Err.Reason == errs.NotFound {
				*r = kernel.OpResult{Done: true}
			}
		})
	}},
	{"it does nothing for what it does not know", "what nobody defined", func(m *mutant) {
		m.results(func(_ kernel.Transaction, _ int, r *kernel.OpResult) {
			if r.Err != nil && r.Err.Reason == errs.Unsupported {
				*r = kernel.OpResult{Done: true}
			}
		})
	}},
	{"a template of another protocol is one of ESP", "what nobody defined", func(m *mutant) {
		m.ops(policyOf(func(p *kernel.Policy) {
			for i := range p.Templates {
				if p.Templates[i].Proto == 17 {
					p.Templates[i].Proto = esp
				}
			}
		}))
	}},
	{"no object is no work", "an op without its object", func(m *mutant) {
		m.results(func(t kernel.Transaction, i int, r *kernel.OpResult) {
			if o := t.Ops[i]; o.SA == nil && o.Policy == nil && o.Net == nil && o.Acquire == nil {
				*r = kernel.OpResult{Done: true}
			}
		})
	}},
	{"one bad route spoils all", "routes are looked up", func(m *mutant) {
		m.routes = func(qs []kernel.RouteQuery) ([]kernel.Route, error) {
			res, err := m.Fake.LookupRoutes(context.Background(), qs)
			for _, r := range res {
				if r.Err != nil {
					return nil, r.Err
				}
			}
			return res, err
		}
	}},
	{"routes that are not announced", "addresses and routes", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatRoutes } }},
	{"addresses that are not there", "addresses and routes", func(m *mutant) { m.objects(func(o *kernel.Object) bool { return !o.Address.IsValid() }) }},
	{"a bypass that is not announced", "the socket bypass", func(m *mutant) {
		m.sock = func(kernel.SocketRole, kernel.Family) (kernel.SocketSetup, error) { return kernel.SocketSetup{}, nil }
	}},

	{"the same SPI for all", "SPIs are distinct", func(m *mutant) {
		m.spis = func(rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
			res := make([]kernel.SPIResult, len(rs))
			for i, r := range rs {
				res[i].SPI = r.Min
			}
			return res, nil
		}
	}},
	{"one bad range spoils all", "SPIs are distinct", func(m *mutant) {
		m.spis = func(rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
			res, err := m.Fake.AllocateSPIs(context.Background(), rs)
			for _, r := range res {
				if r.Err != nil {
					return nil, r.Err
				}
			}
			return res, err
		}
	}},
	{"SPIs that are not reserved", "an SPI is given to one caller", forgetsSPIs},
	{"SPIs that are not reserved", "a full range", forgetsSPIs},
	{"an SPI for anything", "the protocols that have SPIs", func(m *mutant) {
		m.spis = func(rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
			for i := range rs {
				rs[i].Proto = kerneltest.ESP
			}
			return m.Fake.AllocateSPIs(context.Background(), rs)
		}
	}},

	{"an update that is lost", "a policy can be added", func(m *mutant) {
		m.ops(func(_ *kernel.Transaction, o *kernel.Op) {
			if o.Kind == kernel.UpdatePolicy {
				p := *o.Policy
				p.Templates = slices.Clone(p.Templates)
				p.Templates[0].ReqID--
				o.Policy = &p
			}
		})
	}},
	{"ports are lost", "a policy comes back", func(m *mutant) { m.ops(policyOf(func(p *kernel.Policy) { p.Key.Sel.SrcPort = 0 })) }},
	{"levels are lost", "a policy comes back", func(m *mutant) {
		m.ops(policyOf(func(p *kernel.Policy) {
			for i := range p.Templates {
				p.Templates[i].Level = kernel.LevelRequire
			}
		}))
	}},
	{"the second template is lost", "a policy comes back", func(m *mutant) {
		m.ops(policyOf(func(p *kernel.Policy) { p.Templates = p.Templates[:min(1, len(p.Templates))] }))
	}},
	{"priorities are lost", "a policy comes back", func(m *mutant) { m.ops(policyOf(func(p *kernel.Policy) { p.Priority = 0 })) }},
	{"discard is pass", "a policy comes back", func(m *mutant) {
		m.ops(policyOf(func(p *kernel.Policy) { p.Action = max(p.Action, kernel.ActionNone) }))
	}},
	{"an add is an update", "a policy that is there", func(m *mutant) {
		m.ops(func(_ *kernel.Transaction, o *kernel.Op) {
			if o.Kind == kernel.AddPolicy {
				o.Kind = kernel.UpdatePolicy
			}
		})
	}},
	{"an update wants what is there", "an update of a policy", func(m *mutant) {
		m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
			for _, t := range ts {
				for _, o := range t.Ops {
					if o.Kind == kernel.UpdatePolicy && !slices.ContainsFunc(m.Policies(), func(p kernel.Policy) bool { return samePolicy(p.Key, o.Policy.Key) }) {
						return []kernel.TxnResult{{Ops: []kernel.OpResult{{Err: errs.Errorf(errs.NotFound, "no policy")}}}}, nil
					}
				}
			}
			return m.Fake.Apply(context.Background(), ts)
		}
	}},
	{"marks are ignored", "marks and interface IDs", func(m *mutant) {
		m.ops(func(_ *kernel.Transaction, o *kernel.Op) {
			if o.Policy != nil {
				o.Policy.Key.Mark = nil
			}
		})
	}},
	{"marks that are not announced", "marks and interface IDs", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatMark } }},
	{"an index that finds nothing", "a policy with an index", func(m *mutant) { m.objects(func(o *kernel.Object) bool { renumber(o); return true }) }},
	{"a flush that flushes nothing", "policies are flushed", func(m *mutant) { m.ops(func(_ *kernel.Transaction, o *kernel.Op) { noFlush(o) }) }},
	{"a flush that nobody hears of", "policies are flushed", func(m *mutant) { m.event = without(kernel.PolicyFlushed) }},

	{"it never rolls back", "error rules", neverRollsBack},
	{"it says it rolled back", "error rules", func(m *mutant) {
		m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
			rules := make([]kernel.OnError, len(ts))
			for i := range ts {
				rules[i], ts[i].OnError = ts[i].OnError, min(ts[i].OnError, 1)&^kernel.Rollback
			}
			res, err := m.Fake.Apply(context.Background(), ts)
			for i := range res {
				for j := range res[i].Ops {
					if r := &res[i].Ops[j]; rules[i] == kernel.Rollback && res[i].Ops[len(res[i].Ops)-1].Err == nil && r.Done && len(res[i].Ops) > 1 {
						*r = kernel.OpResult{Undone: true}
					}
				}
			}
			return res, err
		}
	}},
	{"continue stops", "error rules", func(m *mutant) { m.ops(func(t *kernel.Transaction, _ *kernel.Op) { t.OnError %= kernel.Continue }) }},
	{"a rollback only takes back what was added", "a rollback puts back", func(m *mutant) { forgetsOld(m) }},
	{"it never rolls back", "a rollback takes back an SA", neverRollsBack},
	{"errors of no op", "the error of an op", func(m *mutant) {
		m.results(func(_ kernel.Transaction, _ int, r *kernel.OpResult) {
			if r.Err != nil {
				e := *r.Err
				e.Op = -1
				r.Err = &e
			}
		})
	}},
	{"one transaction spoils all", "transactions of one call", func(m *mutant) {
		m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
			res, err := m.Fake.Apply(context.Background(), ts)
			for _, t := range res {
				for _, r := range t.Ops {
					if r.Err != nil {
						return nil, r.Err
					}
				}
			}
			return res, err
		}
	}},
	{"no memory of transactions", "a transaction that comes again", forgetsTxns},
	{"no memory of failures", "a transaction that failed", forgetsTxns},
	{"no memory of transactions", "a transaction twice in one call", forgetsTxns},
	{"one memory for all that have no ID", "transactions without an ID", func(m *mutant) {
		m.ops(func(t *kernel.Transaction, _ *kernel.Op) {
			if t.TxnID == "" {
				t.TxnID = "none"
			}
		})
	}},
	{"no memory of transactions", "a call whose caller", forgetsTxns},
	{"half of it", "many transactions", func(m *mutant) {
		m.results(func(t kernel.Transaction, i int, r *kernel.OpResult) {
			if i >= 32 {
				*r = kernel.OpResult{Err: errs.Errorf(errs.Busy, "enough")}
			}
		})
	}},

	{"no subscription", "events begin with READY", func(m *mutant) {
		m.events = func(context.Context, kernel.EventMask, func(kernel.Event) error) error {
			return errs.Errorf(errs.Permission, "no multicast")
		}
	}},
	{"events without READY", "events begin with READY", func(m *mutant) { m.event = without(kernel.Ready) }},
	{"additions that are not announced", "a policy change", func(m *mutant) { m.event = without(kernel.PolicyAdded) }},
	{"deletions that are not announced", "a policy change", func(m *mutant) { m.event = without(kernel.PolicyDeleted) }},
	{"events without the policy", "a policy change", func(m *mutant) {
		m.event = func(e kernel.Event, each func(kernel.Event) error) error { e.Policy = nil; return each(e) }
	}},
	{"updates that are not announced", "what another process does", func(m *mutant) { m.event = without(kernel.PolicyUpdated) }},
	{"deletions by others that are not announced", "an SA that another process", func(m *mutant) { m.event = without(kernel.SADeleted) }},
	{"added SAs that are not announced", "added and updated SAs", func(m *mutant) { m.event = without(kernel.SAAdded) }},
	{"updated SAs that are not announced", "SAs that another process makes", func(m *mutant) { m.event = without(kernel.SAUpdated) }},
	{"SA events with keys", "added and updated SAs", func(m *mutant) {
		m.event = func(e kernel.Event, each func(kernel.Event) error) error {
			if e.SA != nil {
				sa := *e.SA
				sa.Auth = &kernel.AlgKey{ID: sa.Auth.ID, Key: key(20)}
				e.SA = &sa
			}
			return each(e)
		}
	}},
	{"SA events for everybody", "SA events come to nobody", func(m *mutant) {
		m.events = func(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
			if mask == 0 {
				mask = kernel.MaskOf(kernel.PolicyAdded, kernel.SAAdded)
			}
			return m.Fake.Events(ctx, mask, each)
		}
	}},
	{"whatever was asked for", "only the kinds", func(m *mutant) {
		m.events = func(ctx context.Context, _ kernel.EventMask, each func(kernel.Event) error) error {
			return m.Fake.Events(ctx, 0, each)
		}
	}},
	{"one subscriber alone", "every subscriber", func(m *mutant) {
		taken := make(chan struct{}, 1)
		m.events = func(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
			select {
			case taken <- struct{}{}:
				return m.Fake.Events(ctx, mask, each)
			default:
				if err := each(kernel.Event{Kind: kernel.Ready}); err != nil {
					return err
				}
				<-ctx.Done()
				return ctx.Err()
			}
		}
	}},
	{"events that are lost in silence", "a slow subscriber", func(m *mutant) {
		n := 0
		m.event = func(e kernel.Event, each func(kernel.Event) error) error {
			if n++; e.Kind == kernel.Overflow || n > 100 && n < 12000 {
				return nil
			}
			return each(e)
		}
	}},
	{"a stream that never begins again", "a subscription ends", func(m *mutant) {
		n := 0
		m.events = func(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
			if n++; n > 2 {
				return errs.Errorf(errs.Busy, "too many sockets")
			}
			return m.Fake.Events(ctx, mask, each)
		}
	}},

	{"filters are ignored", "a dump has what was asked for", func(m *mutant) {
		m.dump = func(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
			return m.Fake.Dump(ctx, kernel.DumpFilter{SAs: f.SAs, Policies: f.Policies, Addresses: f.Addresses}, each)
		}
	}},
	{"a dump that ends early", "a dump of many policies", func(m *mutant) { cutShort(m) }},
	{"a dump that says things twice", "a dump of many SAs", func(m *mutant) {
		m.dump = func(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
			n := 0
			return m.Fake.Dump(ctx, f, func(o kernel.Object) error {
				if n++; n == 700 {
					if err := each(o); err != nil {
						return err
					}
				}
				return each(o)
			})
		}
	}},
	{"a dump that keeps a lock", "a dump that its caller leaves", func(m *mutant) {
		lock := make(chan struct{}, 1)
		m.dump = func(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
			select {
			case lock <- struct{}{}:
			case <-time.After(time.Second):
				return errs.Errorf(errs.Busy, "another dump")
			}
			if err := m.Fake.Dump(ctx, f, each); err != nil {
				return err
			}
			select {
			case <-ctx.Done(): // kept
			case <-time.After(100 * time.Millisecond): // nobody has left: that would be known by now
				<-lock
			}
			return nil
		}
	}},

	{"it shows keys", "an SA can be added", func(m *mutant) { m.DumpKeys = true }},
	{"deletions that are not done", "an SA can be added", func(m *mutant) {
		m.ops(func(_ *kernel.Transaction, o *kernel.Op) {
			if o.Kind == kernel.DeleteSA {
				o.Kind, o.Acquire = kernel.FlushPolicies, nil
			}
		})
	}},
	{"lifetimes are lost", "an SA comes back", func(m *mutant) { m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.Life = kernel.Lifetime{} })) }},
	{"octets in 32 bits", "an SA comes back", func(m *mutant) {
		m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.Life.HardBytes = uint64(uint32(s.Life.HardBytes)) }))
	}},
	{"encapsulation is lost", "an SA comes back", func(m *mutant) { m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.Encap = nil })) }},
	{"ESN is lost", "an SA comes back", func(m *mutant) { m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.ESN = false })) }},
	{"a feature that is not announced", "an SA comes back", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatOutputMark } }},
	{"a feature that is not there", "an SA comes back", func(m *mutant) {
		m.Without = kernel.FeatAH
		m.caps = func(c *kernel.Capabilities) { c.Features |= kernel.FeatAH }
	}},
	{"an algorithm that is not there", "every algorithm", func(m *mutant) {
		m.caps = func(c *kernel.Capabilities) {
			c.Algorithms = append(c.Algorithms, kernel.Algorithm{Kind: kernel.AlgEncr, ID: 22, MinKey: 128, MaxKey: 256})
		}
	}},
	{"an ICV that is not there", "every algorithm", func(m *mutant) {
		m.ICVs = []uint16{96}
		m.caps = func(c *kernel.Capabilities) { c.Algorithms[6].ICVs = []uint16{96, 128} }
	}},
	{"any algorithm is AES", "an algorithm it does not announce", func(m *mutant) {
		m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) {
			if s.Encr != nil && s.Encr.ID == noAlgorithm {
				s.Encr.ID = espAES
			}
		}))
	}},
	{"a key is cut", "an algorithm it does not announce", func(m *mutant) {
		m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) {
			if s.Auth != nil && s.Auth.ID == authHMACSHA && s.Auth.Key.Len() > 20 {
				s.Auth.Key = secret.New(s.Auth.Key.Reveal()[:20])
			}
		}))
	}},
	{"offload is ignored", "an SA that cannot be", func(m *mutant) { m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.Offload = "" })) }},
	{"an add replaces", "an SA that is there", func(m *mutant) {
		m.ops(saOf(func(o *kernel.Op, s *kernel.SA) {
			if slices.ContainsFunc(m.SAs(), func(old kernel.SA) bool { return sameSA(old.Key, s.Key) }) {
				o.Kind = kernel.UpdateSA
			}
		}))
	}},
	{"an update adds", "an update of an SA", updateIsAdd},
	{"a reserved SPI is taken", "a reserved SPI becomes", updateIsAdd},
	{"no replay window", "an inbound SA has", func(m *mutant) {
		m.objects(func(o *kernel.Object) bool {
			if o.SA != nil && o.SA.ReplayWindow == 32 {
				o.SA.ReplayWindow = 0
			}
			return true
		})
	}},
	{"a move that changes nothing", "an SA moves", func(m *mutant) {
		m.results(func(kernel.Transaction, int, *kernel.OpResult) {})
		m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.NewSrc, s.NewDst = s.Key.Src, s.Key.Dst }))
	}},
	{"a move that is not announced", "an SA moves", func(m *mutant) { m.caps = func(c *kernel.Capabilities) { c.Features &^= kernel.FeatUpdateAddresses } }},
	{"answers in another order", "many SAs are asked for", func(m *mutant) {
		m.query = func(ks []kernel.Key) ([]kernel.Stats, error) {
			res, err := m.Fake.Query(context.Background(), ks)
			slices.Reverse(res)
			return res, err
		}
	}},
	{"a flush that flushes nothing", "SAs are flushed", func(m *mutant) { m.ops(func(_ *kernel.Transaction, o *kernel.Op) { noFlush(o) }) }},
	{"no soft expiry", "an SA expires softly, then hard, by time", func(m *mutant) { m.event = without(kernel.ExpireSoft) }},
	{"the hard limit at the soft one", "an SA expires softly, then hard, by time", func(m *mutant) {
		m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.Life.HardTime = s.Life.SoftTime }))
	}},
	{"an acquire without policy", "a packet without SA", func(m *mutant) {
		m.event = func(e kernel.Event, each func(kernel.Event) error) error {
			if e.Kind == kernel.Acquire {
				e.Policy, e.Key.Policy = nil, nil
			}
			return each(e)
		}
	}},
	{"an acquire without number", "a packet without SA", func(m *mutant) {
		m.event = func(e kernel.Event, each func(kernel.Event) error) error { e.AcquireSeq = 0; return each(e) }
	}},
	{"no acquire", "a packet without SA", func(m *mutant) { m.event = without(kernel.Acquire) }},
	{"nothing is counted", "an acquire can be answered", func(m *mutant) {
		m.query = func(ks []kernel.Key) ([]kernel.Stats, error) {
			res, err := m.Fake.Query(context.Background(), ks)
			for i := range res {
				res[i] = kernel.Stats{Found: res[i].Found}
			}
			return res, err
		}
	}},
	{"limits in octets are lost", "an SA expires softly, then hard, by octets", func(m *mutant) {
		m.ops(saOf(func(_ *kernel.Op, s *kernel.SA) { s.Life.SoftBytes, s.Life.HardBytes = 0, 0 }))
	}},
}

func forgetsSPIs(m *mutant) {
	m.spis = func(rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
		res, err := m.Fake.AllocateSPIs(context.Background(), rs)
		var ops []kernel.Op
		for i, r := range res {
			ops = append(ops, deleteSA(kernel.Key{Src: rs[i].Src, Dst: rs[i].Dst, SPI: r.SPI, Proto: rs[i].Proto}))
		}
		_, _ = m.Fake.Apply(context.Background(), []kernel.Transaction{{OnError: kernel.Continue, Ops: ops}})
		return res, err
	}
}

func forgetsTxns(m *mutant) {
	m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
		for i := range ts {
			ts[i].TxnID = ""
		}
		return m.Fake.Apply(context.Background(), ts)
	}
}

func neverRollsBack(m *mutant) {
	m.ops(func(t *kernel.Transaction, _ *kernel.Op) {
		if t.OnError == kernel.Rollback {
			t.OnError = kernel.Stop
		}
	})
}

// forgetsOld takes back what was added, and says so of the rest.
func forgetsOld(m *mutant) {
	m.apply = func(ts []kernel.Transaction) ([]kernel.TxnResult, error) {
		res, err := m.Fake.Apply(context.Background(), ts)
		for i, t := range ts {
			for j, r := range res[i].Ops {
				if p := t.Ops[j].Policy; r.Undone && t.Ops[j].Kind == kernel.DeletePolicy {
					_, _ = m.Fake.Apply(context.Background(), []kernel.Transaction{{Ops: []kernel.Op{policyOp(kernel.DeletePolicy, p)}}})
				}
			}
		}
		return res, err
	}
}

func renumber(o *kernel.Object) {
	if o.Policy != nil {
		o.Policy.Key = kernel.PolicyKey{Dir: o.Policy.Key.Dir, Sel: o.Policy.Key.Sel, ID: o.Policy.Key.ID + 1<<20}
		o.Policy.Key.Sel.SrcPort += 1
	}
}

func noFlush(o *kernel.Op) {
	if o.Kind == kernel.FlushSAs || o.Kind == kernel.FlushPolicies {
		o.Kind, o.Net = kernel.Bypass, &kernel.NetOp{Bound: netip.MustParseAddrPort("192.0.2.1:500")}
	}
}

func updateIsAdd(m *mutant) {
	m.ops(saOf(func(o *kernel.Op, _ *kernel.SA) {
		if o.Kind == kernel.UpdateSA {
			o.Kind = kernel.AddSA
		}
	}))
}

func cutShort(m *mutant) {
	m.dump = func(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
		n := 0
		return m.Fake.Dump(ctx, f, func(o kernel.Object) error {
			if n++; n > 900 {
				return nil
			}
			return each(o)
		})
	}
}

// A kernel plugin that breaks a rule must fail the check that is about it.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.fails+"/"+m.fault, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			broken := &mutant{Fake: f}
			m.break_(broken)
			s := inProcess(broken)
			s.patience = time.Second // for what does not come
			mustFail(t, KernelChecks(s, whole(f)), m.fails)
		})
	}
}

// A check that no mutant fails may be one that cannot fail.
func TestEveryKernelCheckHasAMutant(t *testing.T) {
	for _, table := range [][]kernelCheck{aboutChecks, spiChecks, policyChecks, txnChecks, eventChecks, dumpChecks, saChecks, lifeChecks, packetChecks} {
		for _, c := range table {
			caught := false
			for _, m := range mutants {
				caught = caught || strings.HasPrefix(c.name, m.fails)
			}
			if !caught {
				t.Errorf("no mutant for %q", c.name)
			}
			if c.fix == "" {
				t.Errorf("%q does not say what to do", c.name)
			}
		}
	}
}

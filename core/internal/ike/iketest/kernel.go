package iketest

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// larvalLife is how long the kernel keeps an SPI that nobody completes
// (xfrm_acq_expires).
const larvalLife = 30 * time.Second

// Kernel is a host's SA data base, and the plugin that talks to it.
type Kernel struct {
	SAs     map[ike.SAKey]*SA
	Changes int // rises with every change
	Down    bool
	// RefuseInstalls is how many of the next installs are refused.
	RefuseInstalls int
	// NoESN: it has no sequence numbers of 64 bits.
	NoESN    bool
	Acquires map[uint32]string // sequence number: how it ended, "" if it has not
	// Generated are the selectors machines have reserved policies for, and those policies.
	Generated map[policy.Selector]*Generated

	h      *Host
	next   uint32
	out    map[uint32][]*SA // by request ID: what is sent with
	outOld int              // Changes, when out was right
	// ours is what the engine knows to be its own and to which machine it belongs:
	// learnt from AllocateSPIs' replies and before every Apply.
	ours  map[ike.SAKey]owned
	epoch int // of the plugin process
}

// owned is what the engine knows of one of its SAs.
type owned struct {
	*Machine
	state state
}

type state uint8

const (
	reserved   state = iota // an SPI
	installing              // the kernel is being asked
	settled                 // the kernel has said that it is there
)

// Generated is what one machine has for a selector.
type Generated struct {
	ReqID    uint32
	Policies map[spd.Key]spd.Policy
	owner    *Machine
	leaving  bool // a DeletePolicy is under way
}

// SA is an SA in the kernel.
type SA struct {
	ike.KernelSA
	Larval  bool
	Born    time.Duration
	Encr    []byte
	AuthKey []byte
	Octets  uint64 // carried
}

// octets is what SAs have carried.
func (k *Kernel) octets(keys []ike.SAKey) (all []uint64) {
	for _, key := range keys {
		var n uint64
		if sa := k.SAs[key]; sa != nil {
			n = sa.Octets
		}
		all = append(all, n)
	}
	return all
}

// Carry is a packet from one host to another; with lost it does not arrive.
func (h *Host) Carry(to *Host, octets uint64, lost bool) {
	for key, sa := range h.Kernel.SAs {
		if key.Dst != to.Addr {
			continue
		}
		sa.Octets += octets
		if in := to.Kernel.SAs[key]; in != nil && !lost {
			in.Octets += octets
		}
	}
}

func newKernel(h *Host) *Kernel {
	return &Kernel{SAs: map[ike.SAKey]*SA{}, Acquires: map[uint32]string{}, h: h, next: uint32(0xa0+len(h.w.Hosts)*0x10) << 24, ours: map[ike.SAKey]owned{}, Generated: map[policy.Selector]*Generated{}}
}

// spi picks an inbound SPI.
func (k *Kernel) spi(r ike.SPIRequest) ike.SAKey {
	for {
		k.next += 1 + uint32(k.h.w.rand.IntN(7))
		key := ike.SAKey{Dst: r.Dst, Proto: r.Proto, SPI: k.next}
		if r.Proto == 108 { // a CPI
			key.SPI = k.h.number<<12 | k.next&0xfff
		}
		if k.SAs[key] == nil {
			return key
		}
	}
}

// allocate reserves SPIs.
func (k *Kernel) allocate(m *Machine, req ike.AllocateSPIs) []uint32 {
	var spis []uint32
	for _, r := range req.SPIs {
		key := k.spi(r)
		sa := &SA{KernelSA: ike.KernelSA{Dir: spd.In, Src: r.Src, Dst: r.Dst, Proto: r.Proto, SPI: key.SPI, ReqID: r.ReqID}, Larval: true, Born: k.h.w.now}
		k.put(key, sa)
		k.at(key, sa, larvalLife, true)
		spis = append(spis, key.SPI)
	}
	return spis
}

func (k *Kernel) put(key ike.SAKey, sa *SA) {
	k.SAs[key] = sa
	k.changed()
}

// at plans a lifetime event.
func (k *Kernel) at(key ike.SAKey, sa *SA, d time.Duration, hard bool) {
	k.h.w.After(d, func() {
		if key = sa.Key(); k.SAs[key] != sa {
			return
		}
		if hard {
			delete(k.SAs, key)
			k.changed()
		}
		k.expired(key, hard)
	})
}

// expired tells the machine whose SA it is, as the engine does.
func (k *Kernel) expired(key ike.SAKey, hard bool) {
	m, ok := k.ours[key]
	if ok && !k.Down && !(hard && m.state == installing) { // the reserved SPI was: the transaction will say so
		k.h.w.Log.line(k.h.w, k.h.Name, "expire %s hard=%v", k.Name(key), hard)
		if hard {
			delete(k.ours, key)
		}
		m.Post(ike.Expire{Dst: key.Dst, Proto: key.Proto, SPI: key.SPI, Hard: hard})
	}
}

// moved tells the machine whose SA it is that the peer's packets come from elsewhere.
func (k *Kernel) moved(key ike.SAKey, from netip.AddrPort) {
	if m := k.ours[key]; m.Machine != nil && !k.Down {
		k.h.w.Log.line(k.h.w, k.h.Name, "mapping of %s is %v", k.Name(key), from)
		m.Post(ike.Mapping{SPI: key.SPI, Remote: from})
	}
}

// apply is a transaction: all installs or none, and every delete.
func (k *Kernel) apply(m *Machine, ops []ike.SAOp) error {
	for _, op := range ops {
		if op.Kind == ike.DeleteSA || op.Policy != nil {
			continue
		}
		if k.RefuseInstalls > 0 {
			k.RefuseInstalls--
			return fmt.Errorf("install %s: invalid argument", k.Name(op.SA.Key()))
		}
		if err := k.check(op); err != nil {
			return err
		}
	}
	for _, op := range ops {
		key := op.SA.Key()
		if op.Policy != nil {
			k.applyPolicy(m, op)
			continue
		}
		if op.Kind == ike.DeleteSA {
			if sa := k.SAs[key]; sa != nil && sa.Mark == op.SA.Mark {
				delete(k.SAs, key)
				k.changed()
			}
			continue
		}
		if old := k.SAs[key]; old != nil && !old.Larval {
			continue // our own transaction, repeated
		}
		sa := &SA{KernelSA: op.SA, Born: k.h.w.now, Encr: bytes.Clone(op.SA.EncrKey.Reveal()), AuthKey: bytes.Clone(op.SA.AuthKey.Reveal())}
		k.put(key, sa)
		k.at(key, sa, op.SA.Soft, false)
		k.at(key, sa, op.SA.Hard, true)
	}
	return nil
}

// reserve keeps a selector for a machine.
func (k *Kernel) reserve(m *Machine, sel policy.Selector) (any, error) {
	g := k.Generated[sel]
	switch {
	case g == nil:
		k.next++
		g = &Generated{ReqID: 0x1000 + k.next&0xfff, Policies: map[spd.Key]spd.Policy{}, owner: m}
		k.Generated[sel] = g
	case g.owner != m:
		return nil, &ike.NoPolicyError{Selector: sel, Closest: "it is generated for another peer", Taken: true}
	case g.leaving:
		return nil, errDown
	}
	return g.ReqID, nil
}

// generated finds what a policy of a machine's belongs to.
func (k *Kernel) generated(m *Machine, op ike.SAOp) *Generated {
	if g := k.Generated[op.Policy.Key.Selector()]; g != nil && g.owner == m {
		return g
	}
	return nil
}

func (k *Kernel) applyPolicy(m *Machine, op ike.SAOp) {
	g, p := k.generated(m, op), *op.Policy
	switch {
	case g == nil && op.Kind == ike.InstallPolicy:
		k.h.w.Break("%s: the policy %v is installed and not reserved", k.h.Name, p.Key)
	case g == nil:
	case op.Kind == ike.InstallPolicy:
		g.Policies[p.Key] = p
		k.h.SPD.Put(p)
		k.changed()
	case !g.leaving: // asked for by an earlier life of it
	default:
		delete(g.Policies, p.Key)
		k.h.SPD.Remove(p.Key)
		k.changed()
	}
}

// check refuses what a kernel would refuse.
func (k *Kernel) check(op ike.SAOp) error {
	old := k.SAs[op.SA.Key()]
	switch {
	case op.SA.ESN && k.NoESN:
		return fmt.Errorf("install %s: no sequence numbers of 64 bits", k.Name(op.SA.Key()))
	case (op.SA.Proto == 108) != (op.SA.Comp != 0):
		return fmt.Errorf("install %s: no algorithm of IPComp, or one elsewhere", k.Name(op.SA.Key()))
	case op.SA.Proto != 108 && zero(op.SA.EncrKey.Reveal()) && zero(op.SA.AuthKey.Reveal()):
		k.h.w.Break("%s: install %s with a key of zeros", k.h.Name, k.Name(op.SA.Key()))
	case op.Kind == ike.InstallInbound && old == nil:
		return fmt.Errorf("install %s: no such process", k.Name(op.SA.Key()))
	case old != nil && !old.Larval && !(bytes.Equal(old.Encr, op.SA.EncrKey.Reveal()) && bytes.Equal(old.AuthKey, op.SA.AuthKey.Reveal())),
		op.Kind == ike.InstallOutbound && old != nil && old.Larval:
		return fmt.Errorf("install %s: file exists", k.Name(op.SA.Key()))
	}
	return nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// learn keeps the engine's books before a transaction is carried out.
func (k *Kernel) learn(m *Machine, ops []ike.SAOp) {
	for _, op := range ops {
		if op.Policy != nil {
			if g := k.generated(m, op); g != nil && op.Kind == ike.DeletePolicy {
				g.leaving = true
			}
			continue
		}
		if op.Kind == ike.DeleteSA {
			delete(k.ours, op.SA.Key())
		} else {
			k.ours[op.SA.Key()] = owned{m, installing}
		}
	}
}

// settle notes how a transaction has ended. The engine does not give up deleting: it
// is over with the policies whatever the plugin has said.
func (k *Kernel) settle(m *Machine, ops []ike.SAOp, done bool) {
	for _, op := range ops {
		switch o, ok := k.ours[op.SA.Key()]; {
		case op.Kind == ike.DeletePolicy:
			k.release(m, op)
		case done && ok && op.Kind != ike.DeleteSA:
			o.state = settled
			k.ours[op.SA.Key()] = o
		}
	}
}

// release forgets the traffic of policies that have been deleted.
func (k *Kernel) release(m *Machine, op ike.SAOp) {
	g := k.generated(m, op)
	if g == nil || !g.leaving {
		return
	}
	k.applyPolicy(m, op)
	if len(g.Policies) == 0 {
		delete(k.Generated, op.Policy.Key.Selector())
	}
}

// Die ends the plugin process. What it was asked is unanswered; the kernel goes on
// without it, and when it is back for a resync all is as the engine's books say.
func (k *Kernel) Die(d time.Duration) {
	k.epoch++
	k.Down = true
	epoch := k.epoch
	k.h.w.Log.line(k.h.w, k.h.Name, "kernel plugin dies")
	k.h.w.After(d, func() {
		if k.epoch == epoch {
			k.Down = false
			k.h.w.Log.line(k.h.w, k.h.Name, "kernel plugin is back")
			k.Resync()
		}
	})
}

// Resync compares kernel and books, as the engine does with a plugin that is back.
func (k *Kernel) Resync() {
	lost := map[*Machine][]ike.SAKey{}
	for _, key := range k.Keys() {
		if _, ok := k.ours[key]; !ok && !k.SAs[key].Larval {
			delete(k.SAs, key)
			k.changed()
		}
	}
	for key, o := range k.ours {
		if k.SAs[key] == nil && o.state == settled {
			lost[o.Machine] = append(lost[o.Machine], key)
			delete(k.ours, key)
		}
	}
	for _, m := range append([]*Machine(nil), k.h.Machines...) {
		if keys := lost[m]; keys != nil {
			sortKeys(keys)
			m.Post(ike.KernelLost{SAs: keys})
		}
	}
}

// Lose removes SAs behind everybody's back and lets a resync find out. One that is
// just being made stays: nobody would miss it before the next resync.
func (k *Kernel) Lose(keys ...ike.SAKey) {
	for _, key := range keys {
		if k.ours[key].state != installing {
			delete(k.SAs, key)
		}
	}
	k.changed()
	k.Resync()
}

// Keys are the SAs in order.
func (k *Kernel) Keys() []ike.SAKey {
	keys := make([]ike.SAKey, 0, len(k.SAs))
	for key := range k.SAs {
		keys = append(keys, key)
	}
	sortKeys(keys)
	return keys
}

// LoseAll loses every SA.
func (k *Kernel) LoseAll() { k.Lose(k.Keys()...) }

// AcquireSeqs are the requests the kernel has made, in order.
func (k *Kernel) AcquireSeqs() []uint32 { return slices.Sorted(maps.Keys(k.Acquires)) }

func sortKeys(keys []ike.SAKey) {
	sort.Slice(keys, func(i, j int) bool {
		a, b := keys[i], keys[j]
		if a.Dst != b.Dst {
			return a.Dst.Less(b.Dst)
		}
		return a.SPI < b.SPI
	})
}

// changed says that something has.
func (k *Kernel) changed() {
	k.Changes++
	k.h.w.changes++
}

// Outbound is the SA the kernel sends with to an address: the youngest.
func (k *Kernel) Outbound(to netip.Addr) *SA {
	return k.youngest(func(sa *SA) bool { return sa.Dst == to })
}

func (k *Kernel) youngest(match func(*SA) bool) (best *SA) {
	for _, sa := range k.SAs {
		if sa.Dir == spd.Out && match(sa) && (best == nil || sa.Born > best.Born || sa.Born == best.Born && sa.SPI > best.SPI) {
			best = sa
		}
	}
	return best
}

// sends are the SAs the kernel sends with to another host, by policy: one for each
// template, or none.
func (k *Kernel) sends(to *Host) []*SA {
	if k.outOld != k.Changes || k.out == nil {
		k.out, k.outOld = map[uint32][]*SA{}, k.Changes
	}
	sas, ok := k.out[to.number]
	if !ok {
		out, _ := k.h.Policy(to)
		for _, t := range out.Templates {
			sa := k.youngest(func(sa *SA) bool { return sa.serves(t) })
			if sa == nil {
				sas = nil
				break
			}
			sas = append(sas, sa)
		}
		k.out[to.number] = sas
	}
	return sas
}

// serves reports whether an outbound SA is for a policy's template.
func (sa *SA) serves(t spd.Template) bool {
	return sa.ReqID == t.ReqID && sa.Proto == t.Proto && (!t.Dst.IsValid() || t.Dst.IsUnspecified() || t.Dst == sa.Dst)
}

// use counts what an SA carries.
func (k *Kernel) use(sa *SA, octets uint64) {
	before := sa.Octets >> 10
	sa.Octets += octets
	switch after := sa.Octets >> 10; {
	case sa.HardKB != 0 && after >= sa.HardKB:
		delete(k.SAs, sa.Key())
		k.changed()
		k.expired(sa.Key(), true)
	case sa.SoftKB != 0 && before < sa.SoftKB && after >= sa.SoftKB:
		k.expired(sa.Key(), false)
	}
}

// Name is an SA in words: "esp 0x0c0de001 to b".
func (k *Kernel) Name(key ike.SAKey) string {
	to := key.Dst.String()
	if h := k.h.w.byAddr[key.Dst]; h != nil {
		to = h.Name
	} else if key.Dst == k.h.Addr {
		to = k.h.Name
	}
	return fmt.Sprintf("%s 0x%08x to %s", protoName(key.Proto), key.SPI, to)
}

func protoName(p uint8) string {
	switch p {
	case 50:
		return "esp"
	case 51:
		return "ah"
	case 108:
		return "ipcomp"
	}
	return fmt.Sprintf("proto-%d", p)
}

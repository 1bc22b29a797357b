package setkey

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// The debug format shows operations and events as the PF_KEY messages (RFC 2367)
// that say the same. There are none: what a backend does not tell is not shown.

// Types of messages and of SAs.
const (
	sadbUpdate     = 2
	sadbAdd        = 3
	sadbDelete     = 4
	sadbAcquire    = 6
	sadbExpire     = 8
	sadbFlush      = 9
	sadbSPDUpdate  = 13
	sadbSPDAdd     = 14
	sadbSPDDelete  = 15
	sadbSPDFlush   = 19
	sadbNewMapping = 23
	sadbMigrate    = 24

	satypeAH     = 2
	satypeESP    = 3
	satypeIPComp = 9
)

var opTypes = map[kernel.OpKind]int{
	kernel.AddSA: sadbAdd, kernel.UpdateSA: sadbUpdate, kernel.DeleteSA: sadbDelete, kernel.FlushSAs: sadbFlush,
	kernel.AddPolicy: sadbSPDAdd, kernel.UpdatePolicy: sadbSPDUpdate, kernel.DeletePolicy: sadbSPDDelete, kernel.FlushPolicies: sadbSPDFlush,
}

// policyTypes are IPSEC_POLICY_DISCARD and its sisters.
var policyTypes = map[uint8]int{kernel.ActionDiscard: 0, kernel.ActionNone: 1, kernel.ActionIPsec: 2, kernel.ActionBypass: 4}

var eventTypes = map[kernel.EventKind]int{
	kernel.Acquire: sadbAcquire, kernel.ExpireSoft: sadbExpire, kernel.ExpireHard: sadbExpire, kernel.Mapping: sadbNewMapping,
	kernel.SADeleted: sadbDelete, kernel.SAFlushed: sadbFlush, kernel.PolicyAdded: sadbSPDAdd, kernel.PolicyUpdated: sadbSPDUpdate,
	kernel.PolicyDeleted: sadbSPDDelete, kernel.PolicyFlushed: sadbSPDFlush, kernel.Migrate: sadbMigrate,
	kernel.SAAdded: sadbAdd, kernel.SAUpdated: sadbUpdate,
}

// debug writes blocks of the debug format.
type debug struct{ strings.Builder }

func (d *debug) line(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *debug) header(typ int, proto uint8, seq uint32, pid int) {
	satype := map[uint8]int{protoAH: satypeAH, protoESP: satypeESP, protoIPComp: satypeIPComp}[proto]
	d.line("sadb_msg{ version=2 type=%d errno=0 satype=%d", typ, satype)
	d.line("  seq=%d pid=%d }", seq, pid)
}

// key is the SA and its addresses.
func (d *debug) key(k kernel.Key) {
	if k.SPI != 0 {
		d.line("sadb_sa{ spi=0x%08x }", k.SPI)
	}
	d.address("src", netip.PrefixFrom(k.Src, k.Src.BitLen()), 0, upperAny)
	d.address("dst", netip.PrefixFrom(k.Dst, k.Dst.BitLen()), 0, upperAny)
}

func (d *debug) address(which string, p netip.Prefix, port uint16, proto uint8) {
	if !p.IsValid() {
		return
	}
	d.line("sadb_address{ %s proto=%d prefixlen=%d", which, proto, p.Bits())
	d.line("  sockaddr{ family=%s port=%d %s } }", map[bool]string{true: "inet", false: "inet6"}[p.Addr().Is4()], port, p.Addr())
}

func (d *debug) lifetime(which string, packets, bytes uint64, addtime int64) {
	if packets != 0 || bytes != 0 || addtime != 0 {
		d.line("sadb_lifetime{ %s alloc=%d, bytes=%d", which, packets, bytes)
		d.line("  addtime=%d, usetime=0 }", addtime)
	}
}

func (d *debug) algKey(which string, k *kernel.AlgKey) {
	if k != nil {
		d.line("sadb_key{ %s bits=%d", which, 8*k.Key.Len())
		d.line("  key=%s }", hex.EncodeToString(k.Key.Reveal()))
	}
}

func (d *debug) sa(sa *kernel.SA) {
	d.lifetime("hard", sa.Life.HardPackets, sa.Life.HardBytes, seconds(sa.Life.HardTime))
	d.lifetime("soft", sa.Life.SoftPackets, sa.Life.SoftBytes, seconds(sa.Life.SoftTime))
	number := func(k *kernel.AlgKey) uint16 {
		if k == nil {
			return 0
		}
		return k.ID
	}
	d.line("sadb_sa{ spi=0x%08x replay=%d", sa.Key.SPI, sa.ReplayWindow)
	d.line("  auth=%d encrypt=%d }", number(sa.Auth), number(sa.Encr)+sa.Comp)
	d.line("sadb_x_sa2{ mode=%d reqid=%d }", sa.Mode, sa.ReqID)
	if e := sa.Encap; e != nil {
		d.line("sadb_x_nat_t_type{ type=2 }")
		d.line("sadb_x_nat_t_port{ src port=%d }", e.SrcPort)
		d.line("sadb_x_nat_t_port{ dst port=%d }", e.DstPort)
	}
	key := sa.Key
	key.SPI = 0 // shown above
	d.key(key)
}

func (d *debug) policy(p *kernel.Policy) {
	d.line("sadb_x_policy{ type=%d dir=%d id=%d priority=%d", policyTypes[p.Action], p.Key.Dir, p.Key.ID, toKernel(p.Priority))
	for _, t := range p.Templates {
		d.line("  { proto=%d mode=%d level=%d reqid=%d %s }", t.Proto, t.Mode, t.Level, t.ReqID, (&Runner{}).templateText(t))
	}
	d.line("}")
	d.selector(p.Key.Sel)
}

func (d *debug) selector(s kernel.Selector) {
	proto := s.Proto
	if proto == 0 {
		proto = upperAny
	}
	d.address("src", s.Src, s.SrcPort, proto)
	d.address("dst", s.Dst, s.DstPort, proto)
}

// show prints an operation before it is done, with -v.
func (r *Runner) show(op kernel.Op) {
	if !r.Verbose {
		return
	}
	var d debug
	switch {
	case op.SA != nil:
		d.header(opTypes[op.Kind], op.SA.Key.Proto, 0, r.PID)
		if op.Kind == kernel.DeleteSA {
			d.key(op.SA.Key)
		} else {
			d.algKey("encrypt", op.SA.Encr)
			d.algKey("auth", op.SA.Auth)
			d.sa(op.SA)
		}
	case op.Policy != nil:
		d.header(opTypes[op.Kind], 0, 0, r.PID)
		d.policy(op.Policy)
	default:
		d.header(opTypes[op.Kind], 0, 0, r.PID)
	}
	fmt.Fprintln(r.Out, d.String())
}

// eventText is an event in the debug format, "" for one PF_KEY has no message for.
func eventText(e kernel.Event) string {
	if e.Kind == kernel.Overflow {
		return "events were lost: the kernel was faster than we\n"
	}
	typ, ok := eventTypes[e.Kind]
	if !ok {
		return ""
	}
	var d debug
	d.header(typ, e.Key.Proto, e.AcquireSeq, 0)
	switch e.Kind {
	case kernel.ExpireSoft:
		d.line("sadb_lifetime{ soft }")
	case kernel.ExpireHard:
		d.line("sadb_lifetime{ hard }")
	}
	switch {
	case e.SA != nil:
		d.sa(e.SA)
	case e.Key.Src.IsValid() || e.Key.Dst.IsValid():
		d.key(e.Key)
	}
	if e.NewRemote.IsValid() {
		d.address("new", netip.PrefixFrom(e.NewRemote.Addr(), e.NewRemote.Addr().BitLen()), e.NewRemote.Port(), upperAny)
	}
	if e.Policy != nil {
		d.policy(e.Policy)
	}
	if e.Kind == kernel.Acquire && e.Sel != nil {
		d.line("packet:")
		d.selector(*e.Sel)
	}
	for _, p := range e.Proposals {
		d.line("sadb_prop{ proto=%d auth=%d encrypt=%d }", p.Proto, p.Auth, p.Encr)
	}
	return d.String()
}

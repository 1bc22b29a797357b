package iketest

import (
	"fmt"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

// Transcript is what a person reads of a world: events, messages (opened where
// the world's services know the keys), calls and notices. A nil one is silent.
type Transcript struct {
	b   strings.Builder
	obs observer
	at  time.Duration
}

// NewTranscript begins one.
func NewTranscript() *Transcript { return &Transcript{at: -1, obs: newObserver()} }

// Take returns what was written since the last time.
func (t *Transcript) Take() string {
	s := t.b.String()
	t.b.Reset()
	t.at = -1
	return s
}

// Put writes lines as they are.
func (t *Transcript) Put(s string) { t.b.WriteString(s) }

// line writes one line under a heading for its time.
func (t *Transcript) line(w *World, host, format string, args ...any) {
	if t == nil {
		return
	}
	if t.at != w.now {
		t.at = w.now
		fmt.Fprintf(&t.b, "%.3f\n", w.now.Seconds())
	}
	if host != "" {
		host += ": "
	}
	fmt.Fprintf(&t.b, "  %s%s\n", host, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (t *Transcript) packet(w *World, p Packet, lost bool) {
	from, to := p.From, "nobody"
	if h, _ := from.reach(p.src, p.Path.Remote); h != nil {
		to = h.Name
	}
	note := ""
	if p.Again {
		note = " again"
	}
	if lost {
		note += " LOST"
	}
	t.line(w, "", "%s>%s %d%s %s", from.Name, to, p.N, note, t.obs.describe(from, p.Data))
}

func requestName(r ike.Request) string { return strings.TrimPrefix(fmt.Sprintf("%T", r), "ike.") }

func (t *Transcript) call(m *Machine, c ike.Call) {
	if t == nil {
		return
	}
	h := m.Host
	t.line(h.w, h.Name, "call %s%s", requestName(c.Req), describeCall(h, c.Req))
}

func describeCall(h *Host, r ike.Request) string {
	switch r := r.(type) {
	case ike.DHGenerate:
		return " " + r.Group.String()
	case ike.DHShared:
		return " " + r.Key.Group.String()
	case ike.DeriveSKEYIDs:
		return fmt.Sprintf(" %v remotes=%v", r.PRF, r.Remotes)
	case ike.AllocateSPIs:
		s := ""
		for _, q := range r.SPIs {
			s += fmt.Sprintf(" %s reqid=%d seq=%d", protoName(q.Proto), q.ReqID, q.Seq)
		}
		return s
	case ike.Apply:
		s := ""
		for _, op := range r.Ops {
			s += "\n      " + describeOp(h, op)
		}
		return s
	case ike.MoveSAs:
		s := ""
		for _, v := range r.Moves {
			s += fmt.Sprintf("\n      %s to %v-%v%s", h.Kernel.Name(v.SA.Key()), v.Src, v.Dst, describeEncap(v.Encap))
		}
		return s
	case ike.AcquireDone:
		return fmt.Sprintf(" seq=%d failed=%v", r.Seq, r.Failed)
	case ike.MatchPolicy:
		return " " + r.Selector.String()
	case ike.ReservePolicy:
		return " " + r.Selector.String()
	}
	return ""
}

func describeOp(h *Host, op ike.SAOp) string {
	switch op.Kind {
	case ike.InstallPolicy:
		s := "install policy " + op.Policy.Key.String()
		for _, t := range op.Policy.Templates {
			s += fmt.Sprintf(" %s/%d/%v-%v/%d/%d", protoName(t.Proto), t.Mode, t.Src, t.Dst, t.Level, t.ReqID)
		}
		return s
	case ike.DeletePolicy:
		return "delete policy " + op.Policy.Key.String()
	}
	verb := map[ike.OpKind]string{ike.InstallInbound: "install in ", ike.InstallOutbound: "install out", ike.DeleteSA: "delete"}[op.Kind]
	s := verb + " " + h.Kernel.Name(op.SA.Key())
	if op.Kind != ike.DeleteSA {
		s += fmt.Sprintf(" mode=%d reqid=%d encr=%d/%d auth=%d/%d soft=%v hard=%v", op.SA.Mode, op.SA.ReqID,
			op.SA.Encr, op.SA.EncrKey.Len(), op.SA.Auth, op.SA.AuthKey.Len(), op.SA.Soft, op.SA.Hard)
		if op.SA.Comp != 0 {
			s += fmt.Sprintf(" comp=%d", op.SA.Comp)
		}
		if op.SA.HardKB != 0 {
			s += fmt.Sprintf(" soft=%dkB hard=%dkB", op.SA.SoftKB, op.SA.HardKB)
		}
		s += describeEncap(op.SA.Encap)
	}
	return s
}

func (t *Transcript) notice(m *Machine, n ike.Notice) {
	if t == nil {
		return
	}
	h := m.Host
	s := n.Event.String()
	if n.Reason != 0 {
		s += " " + n.Reason.String()
	}
	if n.Exchange != 0 {
		s += fmt.Sprintf(" %v/%d", n.Exchange, n.Step)
	}
	if n.SPI != 0 {
		s += fmt.Sprintf(" spi=0x%08x/0x%08x", n.SPI, n.SPIOut)
	}
	if n.Detail != "" {
		s += ": " + n.Detail
	}
	t.line(h.w, h.Name, "notice %s", s)
}

// describeEncap is " udp=4500-4500", with the peer's own address where it has told.
func describeEncap(e *ike.Encap) string {
	if e == nil {
		return ""
	}
	s := fmt.Sprintf(" udp=%d-%d", e.SrcPort, e.DstPort)
	if e.OrigDst.IsValid() {
		s += fmt.Sprintf(" original=%v", e.OrigDst)
	}
	return s
}

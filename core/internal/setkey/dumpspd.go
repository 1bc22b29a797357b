package setkey

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// DumpPolicies prints all policies.
func (r *Runner) DumpPolicies(ctx context.Context) error {
	if r.Kernel == nil {
		return nil
	}
	all, err := r.policies(ctx)
	if err != nil {
		return explain(err)
	}
	if len(all) == 0 {
		_, err = fmt.Fprintln(r.Out, "No SPD entries.")
		return err
	}
	for i, o := range all {
		var b strings.Builder
		r.formatPolicy(&b, o, countedTo(i, len(all)))
		if _, err := io.WriteString(r.Out, b.String()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) formatPolicy(b *strings.Builder, o kernel.Object, seq int) {
	p := o.Policy
	fmt.Fprintln(b, selectorText(p.Key.Sel))
	fmt.Fprintf(b, "\t%s%s %s\n", directionName(p.Key.Dir), priorityText(p.Priority), actionName(p.Action))
	for _, t := range p.Templates {
		fmt.Fprintf(b, "\t%s\n", r.templateText(t))
	}
	if !o.Stats.Added.IsZero() {
		fmt.Fprintf(b, "\tcreated: %s  lastused: %s\n", clock(o.Stats.Added), clock(o.Stats.LastUse))
	}
	fmt.Fprintf(b, "\tlifetime: %d(s) validtime: 0(s)\n", seconds(p.Life.HardTime))
	formatLabel(b, p.Label)
	fmt.Fprintf(b, "\tspid=%d seq=%d pid=%d\n\trefcnt=0\n", p.Key.ID, seq, r.PID)
}

// selectorText is a selector as spdadd reads it.
func selectorText(s kernel.Selector) string {
	if typed(s.Proto) || s.Proto == protoGRE {
		text := prefixText(s.Src) + " " + prefixText(s.Dst) + " " + protocolName(s.Proto)
		switch {
		case s.SrcPort == 0 && s.DstPort == 0:
		case s.Proto == protoGRE:
			text += fmt.Sprintf(" %d.%d.%d.%d", s.SrcPort>>8, s.SrcPort&255, s.DstPort>>8, s.DstPort&255)
		default:
			text += fmt.Sprintf(" %d,%d", s.SrcPort, s.DstPort)
		}
		return text
	}
	upper := s.Proto
	if upper == 0 {
		upper = upperAny
	}
	return prefixText(s.Src) + portText(s.SrcPort) + " " + prefixText(s.Dst) + portText(s.DstPort) + " " + protocolName(upper)
}

func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func portText(port uint16) string {
	if port == 0 {
		return "[any]"
	}
	return fmt.Sprintf("[%d]", port)
}

// wordOf finds the word for a value.
func wordOf[V comparable](words map[string]V, v V) string {
	for w, have := range words {
		if have == v {
			return w
		}
	}
	return fmt.Sprint(v)
}

func directionName(d kernel.Direction) string { return wordOf(directions, d) }

func actionName(a uint8) string {
	if a == kernel.ActionBypass {
		return "bypass"
	}
	return wordOf(actions, a)
}

// priorityText names a priority after the nearest of the three that have a name. The
// kernel's 0, which nobody has given, is not shown.
func priorityText(priority int32) string {
	p := toKernel(priority)
	name, base := "def", int64(prioDefault)
	switch {
	case p == 0:
		return ""
	case p < 0x60000000:
		name, base = "high", prioHigh
	case p >= 0xa0000000:
		name, base = "low", prioLow
	}
	switch {
	case p < base:
		return fmt.Sprintf(" prio %s + %d", name, base-p)
	case p > base:
		return fmt.Sprintf(" prio %s - %d", name, p-base)
	}
	return " prio " + name
}

// templateText is a rule as the text behind -P has it, but that the numbers of the
// kernel stand behind # instead of a colon.
func (r *Runner) templateText(t kernel.Template) string {
	ends := ""
	if t.Src.IsValid() && t.Dst.IsValid() {
		port := ""
		if r.Ports {
			port = "[0]"
		}
		ends = t.Src.Unmap().String() + port + "-" + t.Dst.Unmap().String() + port
	}
	level := wordOf(levels, t.Level)
	switch {
	case t.ReqID > maxReqID:
		level += fmt.Sprintf("#%d", t.ReqID)
	case t.ReqID != 0:
		level += fmt.Sprintf(":%d", t.ReqID)
	}
	return wordOf(ruleProtos, t.Proto) + "/" + modeName(t.Mode) + "/" + ends + "/" + level
}

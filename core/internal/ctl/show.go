package ctl

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/racoon-ike/racoon/core/control"
)

// A lister prints peers as they come.
type lister interface {
	peer(*control.Peer) error
	end() error
}

func (s *session) newLister(kind string) lister {
	w := bufio.NewWriter(s.out)
	if s.json {
		return &jsonList{w: w}
	}
	return &textList{s: s, w: w, kind: kind}
}

// jsonList prints {"peers":[...]}. Peers of which nothing is left are not listed.
type jsonList struct {
	w *bufio.Writer
	n int
}

func (l *jsonList) peer(p *control.Peer) error {
	text, err := json.Marshal(p)
	if err != nil || empty(p) {
		return err
	}
	if l.n++; l.n == 1 {
		l.w.WriteString("{\"peers\":[\n")
	} else {
		l.w.WriteString(",\n")
	}
	_, err = l.w.Write(text)
	return err
}

func (l *jsonList) end() error {
	if l.n == 0 {
		l.w.WriteString("{\"peers\":[")
	}
	l.w.WriteString("]}\n")
	return l.w.Flush()
}

func empty(p *control.Peer) bool { return len(p.ISAKMP)+len(p.IPsec)+len(p.Exchanges)+p.Queued == 0 }

// textList prints ISAKMP SAs as racoonctl always did, one line each, and IPsec SAs
// in the words of ip-xfrm(8), each direction by itself.
type textList struct {
	s     *session
	w     *bufio.Writer
	kind  string
	title bool
	any   bool
}

func (l *textList) peer(p *control.Peer) error {
	for i := range p.ISAKMP {
		l.isakmp(p, &p.ISAKMP[i])
	}
	for i := range p.IPsec {
		l.ipsec(&p.IPsec[i])
	}
	for _, x := range p.Exchanges {
		fmt.Fprintf(l.w, "negotiating %s %s %s cookies %s msgid %s step %d waiting for %s since %s\n",
			dotted(p.Remote), side(x.Initiator), plain(x.Exchange), x.Cookies, x.MsgID, x.Step, plain(x.Waiting), local(x.Since))
		l.any = true
	}
	if p.Queued > 0 {
		fmt.Fprintf(l.w, "waiting %s requests %d\n", dotted(p.Remote), p.Queued)
		l.any = true
	}
	return nil
}

func (l *textList) isakmp(p *control.Peer, sa *control.ISAKMPSA) {
	if !l.title {
		fmt.Fprintf(l.w, "%-22s %-33s %s\n", "Destination", "Cookies", "Created")
	}
	l.title, l.any = true, true
	fmt.Fprintf(l.w, "%-22s %s %s\n", dotted(sa.Remote), sa.Cookies, local(sa.Since))
	if l.s.long {
		fmt.Fprintf(l.w, "\tlocal %s %s remote %s id %s\n", dotted(sa.Local), side(sa.Initiator), strconv.Quote(p.Section), strconv.Quote(sa.PeerID))
		fmt.Fprintf(l.w, "\tenc %s hash %s group %s expires %s\n", plain(sa.Encryption), plain(sa.Hash), plain(sa.Group), local(sa.Expire))
		nat := sa.NAT
		if nat == "" {
			nat = "off"
		}
		fmt.Fprintf(l.w, "\texchange %s nat %s dpd %s fragments %s\n", plain(sa.Exchange), plain(nat), onOff(sa.DPD), onOff(sa.Fragments))
	}
}

func (l *textList) ipsec(sa *control.IPsecSA) {
	l.any = true
	sel := sa.Selector
	l.direction(sa, sa.Local, sa.Remote, sa.SPIOut, sa.ReqIDOut, sel.Local, sel.Remote, sel.LocalPort, sel.RemotePort, !sa.Outbound)
	l.direction(sa, sa.Remote, sa.Local, sa.SPIIn, sa.ReqIDIn, sel.Remote, sel.Local, sel.RemotePort, sel.LocalPort, false)
}

func (l *textList) direction(sa *control.IPsecSA, src, dst netip.Addr, spi control.SPI, reqid uint32, from, to netip.Prefix, sport, dport uint16, pending bool) {
	fmt.Fprintf(l.w, "src %s dst %s\n\tproto %s spi %s reqid %d mode %s", src, dst, plain(sa.Proto), spi, reqid, plain(sa.Mode))
	if pending {
		l.w.WriteString(" not yet installed")
	}
	if sa.Replaced {
		l.w.WriteString(" replaced")
	}
	fmt.Fprintf(l.w, "\n\tenc %s auth %s\n\tsel src %s dst %s", plain(sa.Encryption), plain(sa.Auth), from, to)
	if sel := sa.Selector; sel.Proto != 0 {
		fmt.Fprintf(l.w, " proto %d", sel.Proto)
	}
	if sport != 0 {
		fmt.Fprintf(l.w, " sport %d", sport)
	}
	if dport != 0 {
		fmt.Fprintf(l.w, " dport %d", dport)
	}
	l.w.WriteByte('\n')
	if sa.EncapRemote != 0 {
		from, to := sa.EncapLocal, sa.EncapRemote
		if src != sa.Local {
			from, to = to, from
		}
		fmt.Fprintf(l.w, "\tencap type espinudp sport %d dport %d\n", from, to)
	}
	if l.s.long {
		fmt.Fprintf(l.w, "\t%s since %s soft %ds hard %ds", side(sa.Initiator), local(sa.Since), sa.Soft, sa.Hard)
		if sa.HardKB != 0 {
			fmt.Fprintf(l.w, " hard %dKB", sa.HardKB)
		}
		l.w.WriteByte('\n')
	}
}

func (l *textList) end() error {
	if !l.any && l.kind != "isakmp" {
		l.w.WriteString("No SAD entries.\n")
	}
	return l.w.Flush()
}

func (s *session) notice(n *control.Notice) {
	if n.Dropped > 0 {
		fmt.Fprintf(s.out, "(%d events are missing here)\n", n.Dropped)
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", local(n.Time), n.Event, plain(n.Text))
	for _, a := range [...]struct{ key, value string }{
		{"remote", n.Section}, {"peer", n.Remote}, {"local", n.Local}, {"cookies", n.Cookies}, {"exchange", n.Exchange}, {"msgid", n.MsgID},
		{"spi", some(n.SPIIn)}, {"spi_out", some(n.SPIOut)}, {"plugin", n.Plugin}, {"reason", n.Reason},
	} {
		if a.value != "" {
			fmt.Fprintf(&b, " %s=%s", a.key, plain(a.value))
		}
	}
	fmt.Fprintln(s.out, b.String())
}

func some(s control.SPI) string {
	if s == 0 {
		return ""
	}
	return s.String()
}

// dotted is an address with its port as racoonctl has it: 192.0.2.1.500
func dotted(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.Addr().String() + "." + strconv.Itoa(int(a.Port()))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func side(initiator bool) string {
	if initiator {
		return "initiator"
	}
	return "responder"
}

func local(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// plain takes out what a terminal would act upon: some of it comes from peers.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

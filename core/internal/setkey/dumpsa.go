package setkey

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// DumpSAs prints the SAs of a protocol, or all.
func (r *Runner) DumpSAs(ctx context.Context, p Proto) error {
	if r.Kernel == nil {
		return nil
	}
	all, err := r.sas(ctx, func(sa *kernel.SA) bool { return p.has(sa) && (r.Dead || sa.State != kernel.Dead) })
	if err != nil {
		return explain(err)
	}
	if len(all) == 0 {
		_, err = fmt.Fprintln(r.Out, "No SAD entries.")
		return err
	}
	return r.printSAs(all)
}

// printSAs prints SAs in the format of setkey -D. The running number of the last is
// 0, by which a reader of PF_KEY knows it.
func (r *Runner) printSAs(all []kernel.Object) error {
	for i, o := range all {
		var b strings.Builder
		r.formatSA(&b, o, countedTo(i, len(all)))
		_, err := io.WriteString(r.Out, b.String())
		if err != nil {
			return err
		}
	}
	return nil
}

func countedTo(i, n int) int { return (i + 1) % n }

func (r *Runner) formatSA(b *strings.Builder, o kernel.Object, seq int) {
	sa, life := o.SA, o.SA.Life
	src, dst := endTexts(sa)
	if r.Ports && sa.Encap == nil {
		src, dst = src+"[0]", dst+"[0]"
	}
	fmt.Fprintf(b, "%s %s \n", src, dst)
	fmt.Fprintf(b, "\t%s mode=%s spi=%d(0x%08[3]x) reqid=%d(0x%08[4]x)\n", saType(sa), modeName(sa.Mode), sa.Key.SPI, sa.ReqID)
	if sa.Encap != nil && sa.Encap.OrigDst.IsValid() {
		fmt.Fprintf(b, "\tNAT OA=%s\n", sa.Encap.OrigDst.Unmap())
	}
	if sa.Comp != 0 {
		fmt.Fprintf(b, "\tC: %s ", nameOf(ipsec.Comp(sa.Comp), sa.Comp))
	}
	if sa.Encr != nil {
		formatKey(b, 'E', nameOf(ipsec.Encr(sa.Encr.ID), sa.Encr.ID), sa.Encr)
	}
	if sa.Auth != nil {
		formatKey(b, 'A', nameOf(ipsec.Auth(sa.Auth.ID), sa.Auth.ID), sa.Auth)
	}
	fmt.Fprintf(b, "\tseq=0x%08x replay=%d flags=0x%08x state=%s \n", 0, sa.ReplayWindow, 0, stateName(sa.State))
	now := r.Now()
	age := sa.Current.HardTime
	if !o.Stats.Added.IsZero() {
		age = max(0, now.Sub(o.Stats.Added))
	}
	fmt.Fprintf(b, "\tcreated: %s\tcurrent: %s\n", clock(o.Stats.Added), clock(now))
	fmt.Fprintf(b, "\tdiff: %d(s)\thard: %d(s)\tsoft: %d(s)\n", seconds(age), seconds(life.HardTime), seconds(life.SoftTime))
	used := o.Stats.LastUse
	if used.IsZero() {
		used = o.Stats.FirstUse
	}
	fmt.Fprintf(b, "\tlast: %s\thard: 0(s)\tsoft: 0(s)\n", clock(used))
	fmt.Fprintf(b, "\tcurrent: %d(bytes)\thard: %d(bytes)\tsoft: %d(bytes)\n", o.Stats.Bytes, life.HardBytes, life.SoftBytes)
	fmt.Fprintf(b, "\tallocated: %d\thard: %d\tsoft: %d\n", o.Stats.Packets, life.HardPackets, life.SoftPackets)
	formatLabel(b, sa.Label)
	fmt.Fprintf(b, "\tsadb_seq=%d pid=%d refcnt=0\n", seq, r.PID)
}

// endTexts are the addresses of an SA, with the ports of ESP in UDP.
func endTexts(sa *kernel.SA) (src, dst string) {
	src, dst = sa.Key.Src.String(), sa.Key.Dst.String()
	if e := sa.Encap; e != nil {
		src, dst = fmt.Sprintf("%s[%d]", src, e.SrcPort), fmt.Sprintf("%s[%d]", dst, e.DstPort)
	}
	return src, dst
}

func saType(sa *kernel.SA) string {
	name := map[uint8]string{protoESP: "esp", protoAH: "ah", protoIPComp: "ipcomp"}[sa.Key.Proto]
	switch {
	case name == "":
		return fmt.Sprint(sa.Key.Proto)
	case sa.Encap != nil && sa.Key.Proto == protoESP:
		return "esp-udp"
	case sa.Encap != nil:
		return "natt+" + name
	}
	return name
}

func modeName(m uint8) string {
	switch m {
	case 0:
		return "any"
	case kernel.ModeTransport:
		return "transport"
	case kernel.ModeTunnel:
		return "tunnel"
	case kernel.ModeBEET:
		return "beet"
	}
	return fmt.Sprint(m)
}

func stateName(s kernel.SAState) string {
	switch s {
	case kernel.Larval:
		return "larval"
	case kernel.Mature:
		return "mature"
	case kernel.Dying:
		return "dying"
	case kernel.Dead:
		return "dead"
	}
	return fmt.Sprint(uint8(s))
}

// formatKey prints a key in groups of four octets, 32 in a line.
func formatKey(b *strings.Builder, letter byte, name string, k *kernel.AlgKey) {
	fmt.Fprintf(b, "\t%c: %s ", letter, name)
	for i, octet := range k.Key.Reveal() {
		if i > 0 && i%32 == 0 {
			b.WriteByte('\n')
		}
		if i%4 == 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%02x", octet)
	}
	b.WriteByte('\n')
}

func formatLabel(b *strings.Builder, label string) {
	if label != "" {
		fmt.Fprintf(b, "\tsecurity context doi: 1\n\tsecurity context algorithm: 1\n\tsecurity context length: %d\n\tsecurity context: %s\n", len(label)+1, label)
	}
}

// clock is characters 5 to 24 of ctime(3), blanks for no time.
func clock(t time.Time) string {
	if t.IsZero() {
		return strings.Repeat(" ", 20)
	}
	return t.Format("Jan _2 15:04:05 2006")
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

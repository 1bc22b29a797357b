package setkey

import (
	"context"
	"fmt"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// ShortDump prints one line for each SA.
func (r *Runner) ShortDump(ctx context.Context) error {
	if r.Kernel == nil {
		return nil
	}
	all, err := r.sas(ctx, func(sa *kernel.SA) bool { return r.Dead || sa.State != kernel.Dead })
	if err != nil {
		return explain(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, "time p   s spi      ltime   src -> dst")
	now := r.Now()
	for _, o := range all {
		sa := o.SA
		age := sa.Current.HardTime
		if !o.Stats.Added.IsZero() {
			age = now.Sub(o.Stats.Added)
		}
		src, dst := endTexts(sa)
		fmt.Fprintf(&b, "%s %-3s %s %08x %s/%s %s -> %s\n", now.Format("0405"), shortType(sa.Key.Proto), shortState(sa.State), sa.Key.SPI,
			shortTime(seconds(age)), shortTime(seconds(sa.Life.HardTime)), src, dst)
	}
	_, err = fmt.Fprint(r.Out, b.String())
	return err
}

func shortType(proto uint8) string {
	switch proto {
	case protoESP:
		return "esp"
	case protoAH:
		return "ah"
	case protoIPComp:
		return "#9" // SADB_X_SATYPE_IPCOMP of KAME
	}
	return fmt.Sprintf("#%d", proto)
}

func shortState(s kernel.SAState) string {
	if s < kernel.Larval || s > kernel.Dead {
		return "?"
	}
	return "LMDd"[s-1 : s]
}

func shortTime(s int64) string {
	if s >= 1000 {
		return "big"
	}
	return fmt.Sprintf("%3d", s)
}

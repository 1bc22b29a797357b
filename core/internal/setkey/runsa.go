package setkey

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// portNATT is where UDP-encapsulated ESP goes, RFC 3948 section 2.1.
const portNATT = 4500

// add makes SAs between all pairs of addresses, or none.
func (r *Runner) add(ctx context.Context, c *Command) error {
	ends, err := r.pairs(ctx, c, c.SA.Src, c.SA.Dst)
	if err != nil {
		return err
	}
	encap, err := r.encap(ctx, c)
	if err != nil {
		return err
	}
	noReplay, err := r.able(ctx, c)
	if err != nil {
		return err
	}
	var ops []kernel.Op
	for _, e := range ends {
		s := c.SA
		sa := &kernel.SA{
			Key: kernel.Key{Src: e.src, Dst: e.dst, SPI: s.SPI, Proto: c.Proto.Number}, ReqID: s.ReqID, Mode: s.Mode,
			Encr: s.Encr, Auth: s.Auth, Comp: s.Comp, Life: s.Life, ReplayWindow: s.Window, NoReplay: noReplay, Encap: encap, Label: s.Label,
		}
		if sa.Mode == 0 {
			sa.Mode = kernel.ModeTransport
		}
		ops = append(ops, kernel.Op{Kind: kernel.AddSA, SA: sa})
	}
	return r.do(ctx, ops...)
}

// encap are the ports of esp-udp. No other SA has any.
func (r *Runner) encap(ctx context.Context, c *Command) (*kernel.Encap, error) {
	src, dst, err := r.ports(ctx, c.SA.Src, c.SA.Dst)
	if err != nil {
		return nil, err
	}
	if !c.Proto.UDP {
		if src != 0 || dst != 0 {
			return nil, fmt.Errorf("the SA has ports, which only one of esp-udp can have")
		}
		return nil, nil
	}
	e := &kernel.Encap{SrcPort: src, DstPort: dst}
	for _, p := range []*uint16{&e.SrcPort, &e.DstPort} {
		if *p == 0 {
			*p = portNATT
		}
	}
	if c.SA.Original != "" {
		list, err := r.addrs(ctx, c, c.SA.Original)
		if err != nil {
			return nil, err
		}
		e.OrigDst = list[0]
	}
	return e, nil
}

// able refuses what the kernel does not have, in words; noReplay is true for an SA
// without anti-replay.
func (r *Runner) able(ctx context.Context, c *Command) (noReplay bool, err error) {
	if r.Kernel == nil {
		return false, nil
	}
	caps, err := r.capabilities(ctx)
	if err != nil {
		return false, explain(err)
	}
	lacks := func(f kernel.Feature) bool { return caps.Features&f == 0 }
	s := c.SA
	for _, need := range []struct {
		wanted bool
		feat   kernel.Feature
		what   string
	}{
		{c.Proto.Number == protoESP, kernel.FeatESP, "ESP"},
		{c.Proto.Number == protoAH, kernel.FeatAH, "AH"},
		{c.Proto.Number == protoIPComp, kernel.FeatIPComp, "IPComp"},
		{c.Proto.UDP, kernel.FeatNATT, "ESP in UDP"},
		{s.Label != "", kernel.FeatLabel, "security labels (-ctx)"},
	} {
		if need.wanted && lacks(need.feat) {
			return false, fmt.Errorf("%s has no %s", caps.Platform, need.what)
		}
	}
	if err := capable(caps, kernel.AlgEncr, ipsec.Encr, s.Encr); err != nil {
		return false, err
	}
	if err := capable(caps, kernel.AlgAuth, ipsec.Auth, s.Auth); err != nil {
		return false, err
	}
	if s.Comp != 0 {
		if err := capable(caps, kernel.AlgComp, ipsec.Comp, &kernel.AlgKey{ID: s.Comp}); err != nil {
			return false, err
		}
	}
	if c.Proto.Number == protoIPComp || s.Window != 0 {
		if caps.ReplayWindowMax != 0 && s.Window > caps.ReplayWindowMax {
			return false, fmt.Errorf("-r %d: %s has windows of up to %d packets", s.Window, caps.Platform, caps.ReplayWindowMax)
		}
		return false, nil
	}
	if lacks(kernel.FeatNoReplay) {
		r.warn(c, caps.Platform+" checks for replayed packets always, with a window of its own choice")
		return false, nil
	}
	return true, nil
}

// capable says whether the kernel has an algorithm and takes a key of that length.
func capable(caps kernel.Capabilities, kind kernel.AlgKind, standard func(uint16) ipsec.Algorithm, key *kernel.AlgKey) error {
	if key == nil {
		return nil
	}
	name := nameOf(standard(key.ID), key.ID)
	var have []string
	for _, a := range caps.Algorithms {
		if a.Kind != kind {
			continue
		}
		if a.ID != key.ID {
			have = append(have, nameOf(standard(a.ID), a.ID))
			continue
		}
		bits := 8*key.Key.Len() - int(standard(key.ID).Salt)
		if a.MaxKey != 0 && (bits < int(a.MinKey) || bits > int(a.MaxKey)) {
			return fmt.Errorf("%s takes keys of %s of %d to %d bits, not %d", caps.Platform, name, a.MinKey, a.MaxKey, bits)
		}
		return nil
	}
	return fmt.Errorf("%s has no %s: it has %s", caps.Platform, name, strings.Join(have, ", "))
}

// getSPI reserves an SPI: that one, or any if it is 0.
func (r *Runner) getSPI(ctx context.Context, c *Command) error {
	ends, err := r.pairs(ctx, c, c.SA.Src, c.SA.Dst)
	if err != nil || r.Kernel == nil {
		return err
	}
	caps, err := r.capabilities(ctx)
	if err != nil {
		return explain(err)
	}
	var reqs []kernel.SPIRequest
	for _, e := range ends {
		q := kernel.SPIRequest{Src: e.src, Dst: e.dst, Proto: c.Proto.Number, Min: c.SA.SPI, Max: c.SA.SPI, ReqID: c.SA.ReqID}
		if q.Min == 0 {
			if q.Min, q.Max = caps.SPIMin, caps.SPIMax; q.Proto == protoIPComp {
				q.Max = 0xffff // RFC 3173 section 3.3
			}
		}
		reqs = append(reqs, q)
	}
	res, err := r.Kernel.AllocateSPIs(ctx, reqs)
	for _, one := range res {
		if err == nil {
			err = one.Err.Err()
		}
	}
	return explain(err)
}

func (r *Runner) get(ctx context.Context, c *Command) error {
	key, err := r.key(ctx, c)
	if err != nil || r.Kernel == nil {
		return err
	}
	all, err := r.sas(ctx, func(sa *kernel.SA) bool { return same(key, sa.Key) })
	if err == nil && len(all) == 0 {
		err = errs.Errorf(errs.NotFound, "no such SA")
	}
	if err != nil {
		return explain(err)
	}
	return r.printSAs(all)
}

// key names one SA.
func (r *Runner) key(ctx context.Context, c *Command) (kernel.Key, error) {
	ends, err := r.onePair(ctx, c, c.SA.Src, c.SA.Dst)
	if err == nil {
		_, err = r.encap(ctx, c)
	}
	return kernel.Key{Src: ends.src, Dst: ends.dst, SPI: c.SA.SPI, Proto: c.Proto.Number}, err
}

// same compares what a command can name: not mark and interface.
func same(a, b kernel.Key) bool {
	return a.Src == b.Src && a.Dst == b.Dst && a.SPI == b.SPI && a.Proto == b.Proto
}

func (r *Runner) delete(ctx context.Context, c *Command) error {
	key, err := r.key(ctx, c)
	if err != nil {
		return err
	}
	return r.do(ctx, kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: key}})
}

// deleteAll deletes the SAs between two addresses.
func (r *Runner) deleteAll(ctx context.Context, c *Command) error {
	ends, err := r.pairs(ctx, c, c.SA.Src, c.SA.Dst)
	if err != nil || r.Kernel == nil {
		return err
	}
	all, err := r.sas(ctx, func(sa *kernel.SA) bool {
		return c.Proto.has(sa) && slices.Contains(ends, pair{sa.Key.Src, sa.Key.Dst})
	})
	if err == nil && len(all) == 0 {
		err = errs.Errorf(errs.NotFound, "no such SA")
	}
	if err != nil {
		return explain(err)
	}
	return r.deleteSAs(ctx, all)
}

// deleteSAs deletes what there is of a list; one that has gone meanwhile is no error.
func (r *Runner) deleteSAs(ctx context.Context, list []kernel.Object) error {
	var ops []kernel.Op
	for _, o := range list {
		ops = append(ops, kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: o.SA.Key}})
	}
	res, err := r.apply(ctx, kernel.Continue, ops...)
	for _, o := range res {
		if err == nil && o.Err != nil && o.Err.Reason != errs.NotFound {
			err = o.Err
		}
	}
	return explain(err)
}

// has reports whether a command for p means sa.
func (p Proto) has(sa *kernel.SA) bool {
	return p.Number == 0 || p.Number == sa.Key.Proto && (!p.UDP || sa.Encap != nil)
}

func (r *Runner) flush(ctx context.Context, p Proto) error {
	if p.Number == 0 {
		return r.FlushSAs(ctx)
	}
	if r.Kernel == nil {
		return nil
	}
	all, err := r.sas(ctx, p.has)
	if err != nil {
		return explain(err)
	}
	return r.deleteSAs(ctx, all)
}

// FlushSAs deletes all SAs.
func (r *Runner) FlushSAs(ctx context.Context) error {
	return r.do(ctx, kernel.Op{Kind: kernel.FlushSAs})
}

// sas are the SAs of the kernel that pass, with their keys if it gives them.
func (r *Runner) sas(ctx context.Context, pass func(*kernel.SA) bool) (all []kernel.Object, err error) {
	err = r.Kernel.Dump(ctx, kernel.DumpFilter{SAs: true, WithKeys: true}, func(o kernel.Object) error {
		if o.SA == nil {
			return nil
		}
		o.SA.Key.Src, o.SA.Key.Dst = o.SA.Key.Src.Unmap(), o.SA.Key.Dst.Unmap()
		if pass(o.SA) {
			all = append(all, o)
		}
		return nil
	})
	return all, err
}

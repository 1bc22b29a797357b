package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var saChecks = []kernelCheck{
	{name: "an SA can be added, queried, dumped without keys and deleted", sas: true, run: saLife,
		fix: "Dump, Query and Apply must speak of the same SAs at any moment; only an instance configured for setkey gives out keys"},
	{name: "an SA comes back from the dump field by field", sas: true, run: saFields,
		fix: "keep every field, or refuse the op as UNSUPPORTED; what a feature announces must work"},
	{name: "every algorithm it announces makes an SA", sas: true, run: algorithms,
		fix: "probe the kernel and announce in Capabilities.Algorithms what it takes, with the key lengths that it takes"},
	{name: "an algorithm it does not announce is refused, and so is a bad key", sas: true, run: badAlgorithms,
		fix: "an algorithm that is not announced is UNSUPPORTED, a key of the wrong length INVALID: never another algorithm, never a shorter key"},
	{name: "an SA that cannot be is refused", sas: true, run: badSAs,
		fix: "check an SA before the kernel sees it: unknown values are UNSUPPORTED, impossible ones INVALID"},
	{name: "an SA that is there is not added again", sas: true, run: saTwice,
		fix: "AddSA of a destination, protocol and SPI that exist is errs.Exists: for an outbound SA the peer chose the SPI, and after a restart Exists tells the engine that it was done"},
	{name: "a reserved SPI becomes an SA by update", sas: true, run: larvalToMature,
		fix: "AllocateSPIs reserves, UpdateSA completes: the dump has one SA, and it is mature"},
	{name: "an update of an SA that is not there is NOT_FOUND", sas: true, run: updateAbsent,
		fix: "a reserved SPI that has expired is errs.NotFound at UpdateSA: the engine adds the SA then"},
	{name: "an inbound SA has a replay window, also where none is named", sas: true, run: replayWindow,
		fix: "ReplayWindow 0 is the plugin's own setting, at least 32 packets (RFC 2406 section 3.4.3); one above ReplayWindowMax is INVALID"},
	{name: "an SA moves to new end points with its keys, or the move is refused", sas: true, run: saMoves,
		fix: "FeatUpdateAddresses promises that UpdateSA with NewSrc and NewDst keeps keys, counters and lifetimes; without it the op is UNSUPPORTED and leaves the SA as it was"},
	{name: "many SAs are asked for at once, and answered in order", sas: true, run: queries,
		fix: "one Stats per key, in order; Found = false is no error"},
	{name: "SAs are flushed when told", sas: true, run: flushSAs,
		fix: "FlushSAs removes every SA; with none there it is no error"},
}

// Numbers of the IPsec DOI that the checks use, RFC 2407 sections 4.4.3 to 4.5.
const (
	espAES      = 12
	authHMACSHA = 2
	deflate     = 2
	noAlgorithm = 249 // for private use: nobody's
)

func saLife(ctx context.Context, d *bed) error {
	sa := d.newSA()
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	stats, err := d.Query(ctx, []kernel.Key{sa.Key})
	if err != nil || !stats[0].Found || stats[0].Packets != 0 || stats[0].Bytes != 0 || stats[0].Added.IsZero() {
		return fmt.Errorf("a query of a new SA: %+v, %v; want it found, unused, with the time it was added", stats, err)
	}
	if err := errors.Join(d.saIs(ctx, sa.Key, sa), d.keyless(ctx, sa.Key)); err != nil {
		return err
	}
	if err := d.must(ctx, deleteSA(sa.Key)); err != nil {
		return err
	}
	if stats, err = d.Query(ctx, []kernel.Key{sa.Key}); err != nil || stats[0].Found {
		return fmt.Errorf("after the delete a query says %+v, %v", stats, err)
	}
	return errors.Join(d.saIs(ctx, sa.Key, nil), d.refuses(ctx, deleteSA(sa.Key), errs.NotFound))
}

// keyless checks that keys are not given out, even to one who asks.
func (d *bed) keyless(ctx context.Context, k kernel.Key) error {
	return d.Dump(ctx, kernel.DumpFilter{SAs: true, WithKeys: true}, func(o kernel.Object) error {
		if s := o.SA; s != nil && sameSA(s.Key, k) && (s.Encr != nil && s.Encr.Key.Len() > 0 || s.Auth != nil && s.Auth.Key.Len() > 0) {
			return errors.New("a dump with WithKeys shows keys, and the plugin is not configured for that")
		}
		return nil
	})
}

func givesKeys(ctx context.Context, d *bed) error {
	sa := d.newSA()
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	for _, asked := range []bool{true, false} {
		err := d.Dump(ctx, kernel.DumpFilter{SAs: true, WithKeys: asked}, func(o kernel.Object) error {
			if o.SA == nil || !sameSA(o.SA.Key, sa.Key) || o.SA.Encr == nil || o.SA.Auth == nil {
				return nil
			}
			encr, auth := o.SA.Encr.Key.Reveal(), o.SA.Auth.Key.Reveal()
			if asked && (!bytes.Equal(encr, sa.Encr.Key.Reveal()) || !bytes.Equal(auth, sa.Auth.Key.Reveal())) {
				return errors.New("a dump with WithKeys does not show the keys that were installed")
			}
			if !asked && len(encr)+len(auth) > 0 {
				return errors.New("a dump without WithKeys shows keys")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// with makes an SA that uses an algorithm, with a key of so many bits.
func (d *bed) with(a kernel.Algorithm, bits uint16, icv uint16) *kernel.SA {
	sa := d.newSA()
	switch a.Kind {
	case kernel.AlgEncr:
		sa.Encr = &kernel.AlgKey{ID: a.ID, Key: key(int(bits+ipsec.Encr(a.ID).Salt) / 8), Trunc: icv}
		if ipsec.Encr(a.ID).AEAD {
			sa.Auth = nil
		}
	case kernel.AlgAuth:
		sa.Auth = &kernel.AlgKey{ID: a.ID, Key: key(int(bits) / 8), Trunc: icv}
		if !d.has(kernel.FeatESP) {
			sa.Key.Proto, sa.Encr = ah, nil
		}
	case kernel.AlgComp:
		sa.Key.Proto, sa.Encr, sa.Auth, sa.Comp, sa.Mode = ipcomp, nil, nil, a.ID, kernel.ModeTransport
		sa.Key.SPI = 256 + sa.Key.SPI%60000
	}
	return sa
}

func algorithms(ctx context.Context, d *bed) error {
	var all error
	for _, a := range d.caps.Algorithms {
		keys := []uint16{a.MinKey}
		if a.MaxKey != a.MinKey {
			keys = append(keys, a.MaxKey)
		}
		icvs := []uint16{0}
		if a.Kind == kernel.AlgAuth {
			icvs = append(icvs, a.ICVs...)
		}
		for _, bits := range keys {
			for _, icv := range icvs {
				if err := d.keepsSA(ctx, d.with(a, bits, icv), true); err != nil {
					all = errors.Join(all, fmt.Errorf("kind %d, number %d, a key of %d bits, an ICV of %d (0 is its own): %w", a.Kind, a.ID, bits, icv, err))
				}
			}
		}
	}
	return all
}

func badAlgorithms(ctx context.Context, d *bed) error {
	var all error
	for _, kind := range []kernel.AlgKind{kernel.AlgEncr, kernel.AlgAuth, kernel.AlgComp} {
		a := kernel.Algorithm{Kind: kind, ID: noAlgorithm}
		if slices.ContainsFunc(d.caps.Algorithms, func(b kernel.Algorithm) bool { return b.Kind == kind && b.ID == noAlgorithm }) {
			continue
		}
		if err := d.refuses(ctx, saOp(kernel.AddSA, d.with(a, 128, 0)), errs.Unsupported); err != nil {
			all = errors.Join(all, fmt.Errorf("algorithm %d of kind %d: %w", noAlgorithm, kind, err))
		}
	}
	for _, a := range d.caps.Algorithms {
		if a.Kind == kernel.AlgComp || a.ID == ipsec.Null && a.Kind == kernel.AlgEncr {
			continue
		}
		if err := d.refuses(ctx, saOp(kernel.AddSA, d.with(a, a.MaxKey+8, 0)), errs.Invalid); err != nil {
			all = errors.Join(all, fmt.Errorf("algorithm %d of kind %d with %d bits: %w", a.ID, a.Kind, a.MaxKey+8, err))
		}
	}
	return all
}

func badSAs(ctx context.Context, d *bed) error {
	var all error
	for _, c := range []struct {
		what   string
		reason errs.Reason
		change func(*kernel.SA)
	}{
		{"protocol 17", errs.Unsupported, func(s *kernel.SA) { s.Key.Proto = 17 }},
		{"mode 99", errs.Unsupported, func(s *kernel.SA) { s.Mode = 99 }},
		{"direction 99", errs.Unsupported, func(s *kernel.SA) { s.Dir = 99 }},
		{"SPI 0", errs.Invalid, func(s *kernel.SA) { s.Key.SPI = 0 }},
		{"end points of two families", errs.Invalid, func(s *kernel.SA) { s.Key.Src = there6 }},
		{"no destination", errs.Invalid, func(s *kernel.SA) { s.Key.Dst = netip.Addr{} }},
		{"ESP without any algorithm", errs.Invalid, func(s *kernel.SA) { s.Encr, s.Auth = nil, nil }},
		{"AH that encrypts", errs.Invalid, func(s *kernel.SA) { s.Key.Proto = ah }},
	} {
		sa := d.newSA()
		if c.change(sa); sa.Key.Proto == ah && !d.has(kernel.FeatAH) {
			c.reason = errs.Unsupported
		}
		if err := d.refuses(ctx, saOp(kernel.AddSA, sa), c.reason); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", c.what, err))
		}
	}
	if !d.has(kernel.FeatOffload) {
		sa := d.newSA()
		sa.Offload = loopback()
		res, err := d.apply(ctx, kernel.Stop, saOp(kernel.AddSA, sa))
		if err == nil && res[0].Done { // why it is refused only a driver knows
			err = errors.New("an SA whose offload is not there was made without it")
		}
		all = errors.Join(all, err)
	}
	return all
}

func saTwice(ctx context.Context, d *bed) error {
	sa := d.newSA()
	again := *sa
	again.ReqID++
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	return errors.Join(d.refuses(ctx, saOp(kernel.AddSA, &again), errs.Exists), d.saIs(ctx, sa.Key, sa))
}

func larvalToMature(ctx context.Context, d *bed) error {
	lowest, highest := d.spiRange(256)
	reqs := spiRequests(1, lowest, highest)
	reqs[0].ReqID = 16001
	spis, err := d.reserve(ctx, reqs)
	if err != nil {
		return err
	}
	sa := d.newSA()
	sa.Key.SPI = spis[0]
	if got, err := d.sa(ctx, sa.Key); err != nil || got != nil && got.State != kernel.Larval {
		return fmt.Errorf("before it is completed the dump has %+v, %v", got, err)
	}
	if err := d.must(ctx, saOp(kernel.UpdateSA, sa)); err != nil {
		return err
	}
	return d.saIs(ctx, sa.Key, sa)
}

func updateAbsent(ctx context.Context, d *bed) error {
	sa := d.newSA()
	return errors.Join(d.refuses(ctx, saOp(kernel.UpdateSA, sa), errs.NotFound), d.saIs(ctx, sa.Key, nil))
}

func replayWindow(ctx context.Context, d *bed) error {
	none, largest, larger := d.newSA(), d.newSA(), d.newSA()
	none.ReplayWindow, largest.ReplayWindow, larger.ReplayWindow = 0, d.caps.ReplayWindowMax, d.caps.ReplayWindowMax+1
	if err := d.must(ctx, saOp(kernel.AddSA, none), saOp(kernel.AddSA, largest)); err != nil {
		return err
	}
	got, err := d.sa(ctx, none.Key)
	if err != nil || got == nil || got.ReplayWindow < 32 {
		return fmt.Errorf("an SA that names no window: %+v, %v; want at least 32 packets", got, err)
	}
	return errors.Join(d.saIs(ctx, largest.Key, largest), d.refuses(ctx, saOp(kernel.AddSA, larger), errs.Invalid))
}

func saMoves(ctx context.Context, d *bed) error {
	sa := d.newSA()
	if d.has(kernel.FeatNATT) {
		sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500}
	}
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	moved := *sa
	moved.Key.Src = netip.MustParseAddr("192.0.2.3")
	move := kernel.SA{Key: sa.Key, NewSrc: moved.Key.Src, NewDst: sa.Key.Dst}
	if sa.Encap != nil {
		moved.Encap = &kernel.Encap{SrcPort: 4600, DstPort: 4500}
		move.Encap = moved.Encap
	}
	if !d.has(kernel.FeatUpdateAddresses) {
		return errors.Join(d.refuses(ctx, saOp(kernel.UpdateSA, &move), errs.Unsupported), d.saIs(ctx, sa.Key, sa))
	}
	if err := d.must(ctx, saOp(kernel.UpdateSA, &move)); err != nil {
		return err
	}
	if err := d.saIs(ctx, moved.Key, &moved); err != nil {
		return fmt.Errorf("an inbound SA whose peer has moved: %w", err)
	}
	out := d.newSA()
	out.Dir, out.Key.Src, out.Key.Dst = kernel.Out, here, there
	if err := d.must(ctx, saOp(kernel.AddSA, out)); err != nil {
		return err
	}
	moved = *out
	moved.Key.Dst = netip.MustParseAddr("192.0.2.3")
	if err := d.must(ctx, saOp(kernel.UpdateSA, &kernel.SA{Key: out.Key, NewSrc: here, NewDst: moved.Key.Dst})); err != nil {
		return err
	}
	if err := errors.Join(d.saIs(ctx, moved.Key, &moved), d.saIs(ctx, out.Key, nil)); err != nil {
		return fmt.Errorf("an outbound SA whose peer has moved: %w", err)
	}
	absent := d.newSA()
	return d.refuses(ctx, saOp(kernel.UpdateSA, &kernel.SA{Key: absent.Key, NewSrc: here, NewDst: there}), errs.NotFound)
}

func queries(ctx context.Context, d *bed) error {
	var keys []kernel.Key
	for i := range 100 {
		sa := d.newSA()
		keys = append(keys, sa.Key)
		if i%2 == 0 {
			if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
				return err
			}
		}
	}
	stats, err := d.Query(ctx, keys)
	if err != nil {
		return err
	}
	for i, s := range stats {
		if s.Found != (i%2 == 0) {
			return fmt.Errorf("of 100 SAs every second is there: number %d is found: %v", i, s.Found)
		}
	}
	return nil
}

func flushSAs(ctx context.Context, d *bed) error {
	if !d.want.Exclusive {
		return skip("this kernel may be somebody else's too (KernelWant.Exclusive, --flush)")
	}
	sa := d.newSA()
	flush := kernel.Op{Kind: kernel.FlushSAs}
	if err := d.must(ctx, saOp(kernel.AddSA, sa), flush, flush); err != nil {
		return err
	}
	return d.saIs(ctx, sa.Key, nil)
}

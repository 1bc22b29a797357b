package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func absent(ctx context.Context, d *bed) error {
	key := kernel.Key{Src: there, Dst: here, SPI: 0x7fff0001, Proto: esp}
	p := d.policy()
	stats, err := d.Query(ctx, []kernel.Key{key, {Policy: &p.Key}})
	if err != nil {
		return fmt.Errorf("a query for what is not there: %w", err)
	}
	for i, s := range stats {
		if s.Found {
			return fmt.Errorf("query %d finds what is not there: %+v", i, s)
		}
	}
	return errors.Join(
		d.refuses(ctx, deleteSA(key), errs.NotFound),
		d.refuses(ctx, policyOp(kernel.DeletePolicy, p), errs.NotFound),
	)
}

func unknown(ctx context.Context, d *bed) error {
	changed := func(change func(*kernel.Policy)) kernel.Op {
		p := d.policy()
		change(p)
		return policyOp(kernel.AddPolicy, p)
	}
	ops := []struct {
		what string
		op   kernel.Op
	}{
		{"an op of kind 0", kernel.Op{}},
		{"an op of kind 99", kernel.Op{Kind: 99}},
		{"a policy's action 99", changed(func(p *kernel.Policy) { p.Action = 99 })},
		{"a policy's direction 99", changed(func(p *kernel.Policy) { p.Key.Dir = 99 })},
		{"a policy without direction", changed(func(p *kernel.Policy) { p.Key.Dir = 0 })},
		{"a template's mode 99", changed(func(p *kernel.Policy) { p.Templates[0].Mode = 99 })},
		{"a template's level 99", changed(func(p *kernel.Policy) { p.Templates[0].Level = 99 })},
		{"a template for protocol 17", changed(func(p *kernel.Policy) { p.Templates[0].Proto = 17 })},
	}
	var all error
	for _, o := range ops {
		if err := d.refuses(ctx, o.op, errs.Unsupported); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", o.what, err))
		}
	}
	p := d.policy()
	res, err := d.apply(ctx, 99, policyOp(kernel.AddPolicy, p))
	if err == nil {
		err = res[0].Err.Err()
	}
	return errors.Join(all, is(err, errs.Unsupported, "error rule 99"), d.policyIs(ctx, p.Key, nil))
}

func incomplete(ctx context.Context, d *bed) error {
	kinds := []kernel.OpKind{kernel.AddSA, kernel.UpdateSA, kernel.DeleteSA, kernel.AddPolicy, kernel.UpdatePolicy, kernel.DeletePolicy, kernel.AcquireDone}
	return each(kinds, func(k kernel.OpKind) error { return d.refuses(ctx, kernel.Op{Kind: k}, errs.Invalid) })
}

func routes(ctx context.Context, d *bed) error {
	local := netip.MustParseAddr("127.0.0.1")
	rs, err := d.LookupRoutes(ctx, []kernel.RouteQuery{{}, {Dst: local, Src: local}, {Dst: there, Src: here6}})
	if err != nil {
		return err
	}
	if r := rs[1]; r.Err != nil || r.Iface == "" || r.MTU <= 0 || r.Src != local {
		return fmt.Errorf("the route from %v to itself: %+v, want its source, interface and MTU", local, r)
	}
	return errors.Join(is(rs[0].Err.Err(), errs.Invalid, "a route to nowhere"), is(rs[2].Err.Err(), errs.Invalid, "a route between two families"))
}

// loopback is the name of the interface that every machine has.
func loopback() string {
	all, err := net.Interfaces()
	if err == nil {
		for _, i := range all {
			if i.Flags&net.FlagLoopback != 0 {
				return i.Name
			}
		}
	}
	return "lo"
}

func netOps(ctx context.Context, d *bed) error {
	addr := &kernel.NetOp{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + d.next()%100)}), 32), Interface: loopback()}
	route := &kernel.NetOp{Prefix: netip.MustParsePrefix("203.0.113.240/28"), Interface: loopback()}
	for _, v := range []struct {
		feature kernel.Feature
		add     kernel.OpKind
		net     *kernel.NetOp
	}{{kernel.FeatAddresses, kernel.AddAddress, addr}, {kernel.FeatRoutes, kernel.AddRoute, route}} {
		add, del := kernel.Op{Kind: v.add, Net: v.net}, kernel.Op{Kind: v.add + 1, Net: v.net}
		if !d.has(v.feature) {
			if err := errors.Join(d.refuses(ctx, add, errs.Unsupported), d.refuses(ctx, del, errs.Unsupported)); err != nil {
				return err
			}
			continue
		}
		if err := d.must(ctx, add); err != nil {
			return err
		}
		if err := errors.Join(d.refuses(ctx, add, errs.Exists), d.hasAddress(ctx, v.net.Prefix, v.add == kernel.AddAddress),
			d.must(ctx, del), d.refuses(ctx, del, errs.NotFound)); err != nil {
			return err
		}
	}
	return nil
}

func (d *bed) hasAddress(ctx context.Context, p netip.Prefix, wanted bool) error {
	if !wanted {
		return nil
	}
	found := false
	err := d.Dump(ctx, kernel.DumpFilter{Addresses: true}, func(o kernel.Object) error {
		found = found || o.Address == p
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("the dump does not have the address %v that was added", p)
	}
	return err
}

func bypass(ctx context.Context, d *bed) error {
	op := kernel.Op{Kind: kernel.Bypass, Net: &kernel.NetOp{Bound: netip.AddrPortFrom(here, 500)}}
	setup, err := d.SocketOptions(ctx, kernel.SocketIKE, kernel.IPv4)
	if err != nil {
		return err
	}
	if !setup.PolicyBypass {
		return d.refuses(ctx, op, errs.Unsupported)
	}
	return d.must(ctx, op, op)
}

// noRoute is err if it says that a packet could not be sent to its destination at
// all. Others come of a kernel that has no SA for it yet.
func noRoute(err error) error {
	for _, e := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.ENETDOWN} {
		if errors.Is(err, e) {
			return fmt.Errorf("send a packet: %w (a route to 203.0.113.0/24 is needed)", err)
		}
	}
	return nil
}

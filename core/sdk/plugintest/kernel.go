package plugintest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// KernelWant describes the kernel behind the subject.
type KernelWant struct {
	// NoSAs: this kernel can reserve SPIs and hold policies, but not install SAs (a
	// build machine without ESP). The checks that need them are left out; where the
	// plugin announces no ESP they are skipped, for the reason NoESP.
	NoSAs bool
	// Exclusive: nobody else uses this kernel. The checks may flush it.
	Exclusive bool
	// Volatile: SAs and policies live in the plugin's process and die with it. What is
	// about several instances on one kernel is left out.
	Volatile bool
	// DumpKeys is a configuration, as JSON, under which the plugin gives out keys to who
	// asks for them, for setkey(8); "": it has none.
	DumpKeys string
	// Send sends one UDP datagram of about 100 octets, from an address of its choice,
	// through the kernel's policies; an error that comes of the kernel's having no SA yet
	// is none. SendUDP is one. nil: nobody can, and the checks of acquires, counters and
	// limits in octets are skipped.
	Send func(ctx context.Context, to netip.AddrPort) error
}

// NoESP is why a check is skipped that needs SAs on a kernel without them.
const NoESP = "it announces no ESP"

// Kernel runs every check of the contract of a kernel plugin. It adds and removes
// SAs and policies between documentation addresses: not for a machine in use.
func Kernel[S T[S]](t S, s Subject, want KernelWant) {
	t.Helper()
	run(t, KernelChecks(s, want))
}

// kernelCheck is a check of a kernel plugin.
type kernelCheck struct {
	name string
	fix  string // what the author of a plugin that fails it shall do
	sas  bool   // it installs SAs
	both bool   // it needs two instances on one kernel
	run  func(context.Context, *bed) error
}

// KernelChecks are the checks that Kernel runs.
func KernelChecks(s Subject, want KernelWant) []Check {
	s.Secrets = append(s.Secrets[:len(s.Secrets):len(s.Secrets)], keyTexts()...)
	checks := s.base(pluginhost.KindKernel, func(ctx context.Context, b *bench) (running, func(context.Context) error, error) {
		k, err := b.startKernel(ctx, "subject")
		if err != nil {
			return nil, nil, err
		}
		return k, func(ctx context.Context) error { _, err := k.Capabilities(ctx); return err }, nil
	})
	if s.Refuses {
		return append(checks, s.onKernel(want, kernelCheck{name: "everything else is UNSUPPORTED", run: kernelRefuses,
			fix: "answer what is not there yet with errs.Unsupported"}))
	}
	tables := [][]kernelCheck{aboutChecks, spiChecks, policyChecks, txnChecks, eventChecks, dumpChecks, saChecks, lifeChecks, packetChecks}
	if s.Path != "" {
		tables = append(tables, restartChecks)
	}
	for _, table := range tables {
		for _, c := range table {
			if (!c.sas || !want.NoSAs) && (!c.both || !want.Volatile) {
				checks = append(checks, s.onKernel(want, c))
			}
		}
	}
	if want.DumpKeys != "" && !want.NoSAs {
		keys := s
		keys.Config, keys.Secrets = want.DumpKeys, nil
		checks = append(checks, keys.onKernel(want, kernelCheck{name: "configured for setkey it gives out keys to who asks", sas: true, run: givesKeys,
			fix: "DumpFilter.WithKeys is honoured by an instance that is configured so, and keys are left out of its other dumps"}))
	}
	return checks
}

// onKernel makes a check of c: the subject runs, and what c leaves behind is removed.
func (s Subject) onKernel(want KernelWant, c kernelCheck) Check {
	return s.on(c.name, func(ctx context.Context, b *bench) error {
		d, err := newBed(ctx, b, want)
		if err != nil {
			return err
		}
		if c.sas && !d.has(kernel.FeatESP) {
			return skip(NoESP)
		}
		err = c.run(ctx, d)
		d.tidy(context.WithoutCancel(ctx))
		if _, skipped := err.(*Skipped); err == nil || skipped {
			return err
		}
		return fmt.Errorf("%w\n%s", err, "what to do: "+c.fix)
	})
}

func (b *bench) startKernel(ctx context.Context, name string) (*pluginhost.Kernel, error) {
	spec := b.subject.spec(pluginhost.KindKernel)
	spec.Name = name
	return b.StartKernel(ctx, spec, pluginhost.Hooks[kernel.Backend]{OnUp: func(_ context.Context, c kernel.Backend) error {
		b.kernel = c
		return nil
	}})
}

var aboutChecks = []kernelCheck{
	{name: "its capabilities make sense", run: sensible,
		fix: "Capabilities says what the engine may use: what is announced must work, what is not is refused as UNSUPPORTED"},
	{name: "it tells the socket options of each role and family", run: socketOptions,
		fix: "SocketOptions gives for SocketIKE and SocketNATT, IPv4 and IPv6, what the engine sets on its sockets; each option has a value and a name for the log"},
	{name: "what is not there is NOT_FOUND, or found to be false", run: absent,
		fix: "an object that is gone is errs.NotFound in a delete or update, and Stats.Found = false in a query, which itself succeeds"},
	{name: "what nobody defined is UNSUPPORTED", run: unknown,
		fix: "end every switch on an enumeration with errs.Unsupported: a value ignored is a policy or an SA that is not what was asked for"},
	{name: "an op without its object is INVALID", run: incomplete,
		fix: "look at Op.SA, Op.Policy, Op.Net and Op.Acquire before you use them"},
	{name: "routes are looked up one by one, and errors are of one query", run: routes,
		fix: "LookupRoutes gives one Route per query, in order; Route.Err is about that query alone"},
	{name: "addresses and routes are added and deleted, or refused", run: netOps,
		fix: "FeatAddresses and FeatRoutes announce these ops; without them they are errs.Unsupported"},
	{name: "the socket bypass is there where it is announced", run: bypass,
		fix: "SocketSetup.PolicyBypass promises the op Bypass; it may come again for the same address"},
}

func sensible(ctx context.Context, d *bed) error {
	c := d.caps
	switch {
	case c.Platform == "":
		return fmt.Errorf("no platform: give it the system and its IPsec, as in %q", "linux 6.18 xfrm")
	case !d.want.NoSAs && c.Features&(kernel.FeatTunnel|kernel.FeatTransport) == 0:
		return fmt.Errorf("features %b: neither tunnel nor transport mode", c.Features)
	case c.SPIMin < 256 || c.SPIMax < c.SPIMin:
		return fmt.Errorf("SPIs from %#x to %#x: RFC 2406 section 2.1 reserves 1 to 255", c.SPIMin, c.SPIMax)
	case c.AcquireLifetime <= 0:
		return fmt.Errorf("reserved SPIs have no lifetime")
	case c.MaxOpsPerTxn < opsPerTxn:
		return fmt.Errorf("at most %d ops in a transaction; the engine sends up to %d", c.MaxOpsPerTxn, opsPerTxn)
	case c.ReplayWindowMax < 32:
		return fmt.Errorf("replay windows of at most %d packets: RFC 2406 section 3.4.3 asks for 32", c.ReplayWindowMax)
	}
	type number struct {
		kind kernel.AlgKind
		id   uint16
	}
	seen := map[number]bool{}
	for _, a := range c.Algorithms {
		if a.Kind < kernel.AlgEncr || a.Kind > kernel.AlgComp || a.ID == 0 || a.MinKey > a.MaxKey {
			return fmt.Errorf("algorithm %+v", a)
		}
		if a.Kind == kernel.AlgComp && !d.has(kernel.FeatIPComp) {
			return fmt.Errorf("it announces compression algorithm %d and not FeatIPComp", a.ID)
		}
		if seen[number{a.Kind, a.ID}] {
			return fmt.Errorf("algorithm %+v is listed twice", a)
		}
		seen[number{a.Kind, a.ID}] = true
	}
	if !d.has(kernel.FeatESP) {
		return d.refuses(ctx, saOp(kernel.AddSA, d.newSA()), errs.Unsupported)
	}
	return nil
}

func socketOptions(ctx context.Context, d *bed) error {
	for _, r := range []kernel.SocketRole{kernel.SocketIKE, kernel.SocketNATT} {
		for _, f := range []kernel.Family{kernel.IPv4, kernel.IPv6} {
			setup, err := d.SocketOptions(ctx, r, f)
			if err != nil {
				return fmt.Errorf("role %d, family %d: %w", r, f, err)
			}
			if setup.Owned && (r != kernel.SocketNATT || d.caps.Features&kernel.FeatOwnsEncapPort == 0) {
				return fmt.Errorf("role %d, family %d: it wants to own the socket, which only FeatOwnsEncapPort promises, and for NAT-T", r, f)
			}
			for _, o := range setup.Options {
				if len(o.Value) == 0 || strings.TrimSpace(o.Doc) == "" {
					return fmt.Errorf("role %d, family %d: option %+v without value or name", r, f, o)
				}
			}
		}
	}
	_, err := d.SocketOptions(ctx, kernel.SocketIKE, 9)
	return is(err, errs.Unsupported, "address family 9")
}

func kernelRefuses(ctx context.Context, d *bed) error {
	req := []kernel.SPIRequest{{Src: here, Dst: there, Proto: esp, Min: 256, Max: 512}}
	res, spis := d.AllocateSPIs(ctx, req)
	if spis == nil {
		spis = res[0].Err.Err()
	}
	dump := d.Dump(ctx, kernel.DumpFilter{SAs: true}, func(kernel.Object) error { return nil })
	return each([]error{is(spis, errs.Unsupported, "AllocateSPIs"), is(dump, errs.Unsupported, "Dump"),
		d.refuses(ctx, policyOp(kernel.AddPolicy, d.policy()), errs.Unsupported)}, func(err error) error { return err })
}

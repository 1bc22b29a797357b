package plugintest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// key is keying material of n octets, each different so that 3DES takes it.
func key(n int) secret.Bytes { return secret.New(keyOctets(n)) }

func keyOctets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(0x31 + 37*i)
	}
	return b
}

// keyTexts are what must not be read in a log.
func keyTexts() []string {
	b := keyOctets(12)
	return []string{string(b), hex.EncodeToString(b), fmt.Sprintf("%v", b[:8])[1:24]}
}

// newSA is an inbound one with AES-CBC and HMAC-SHA1, which every kernel has.
func (d *bed) newSA() *kernel.SA {
	spi, _ := d.spiRange(1)
	return &kernel.SA{
		Key: kernel.Key{Src: there, Dst: here, SPI: spi, Proto: esp}, ReqID: 16001, Mode: kernel.ModeTunnel, Dir: kernel.In,
		Encr: &kernel.AlgKey{ID: espAES, Key: key(16)}, Auth: &kernel.AlgKey{ID: authHMACSHA, Key: key(20)},
		Life: kernel.Lifetime{SoftTime: time.Hour, HardTime: 2 * time.Hour}, ReplayWindow: 32,
	}
}

// saDiffers tells which fields of an SA are not as they were given. A kernel need not
// know the direction of an SA.
func saDiffers(got, want *kernel.SA) error {
	var bad []string
	note := func(name string, got, want any) {
		if got != want {
			bad = append(bad, fmt.Sprintf("%s is %v, want %v", name, got, want))
		}
	}
	note("Key.Src", got.Key.Src, want.Key.Src)
	note("Key.Mark", deref(got.Key.Mark), deref(want.Key.Mark))
	note("Key.IfID", got.Key.IfID, want.Key.IfID)
	note("ReqID", got.ReqID, want.ReqID)
	note("Mode", got.Mode, want.Mode)
	note("Comp", got.Comp, want.Comp)
	note("Life", got.Life, want.Life)
	note("ESN", got.ESN, want.ESN)
	note("OutputMark", deref(got.OutputMark), deref(want.OutputMark))
	note("State (2 is mature)", got.State, kernel.Mature)
	for _, a := range []struct {
		name      string
		got, want *kernel.AlgKey
	}{{"Encr", got.Encr, want.Encr}, {"Auth", got.Auth, want.Auth}} {
		switch {
		case (a.got == nil) != (a.want == nil):
			bad = append(bad, fmt.Sprintf("%s is there: %v, want %v", a.name, a.got != nil, a.want != nil))
		case a.got != nil:
			note(a.name+".ID", a.got.ID, a.want.ID)
			if a.want.Trunc != 0 {
				note(a.name+".Trunc", a.got.Trunc, a.want.Trunc)
			}
			if a.got.Key.Len() > 0 {
				bad = append(bad, a.name+" shows its key")
			}
		}
	}
	if want.NoReplay && got.ReplayWindow != 0 || want.Dir == kernel.In && want.ReplayWindow != 0 && want.Key.Proto != ipcomp {
		note("ReplayWindow", got.ReplayWindow, want.ReplayWindow)
	}
	if got.Dir != 0 {
		note("Dir", got.Dir, want.Dir)
	}
	if want.Sel != nil {
		if got.Sel == nil {
			bad = append(bad, "Sel is lost")
		} else {
			note("Sel", *got.Sel, *want.Sel)
		}
	}
	switch {
	case (got.Encap == nil) != (want.Encap == nil):
		bad = append(bad, fmt.Sprintf("Encap is there: %v, want %v", got.Encap != nil, want.Encap != nil))
	case got.Encap != nil:
		note("Encap ports", [2]uint16{got.Encap.SrcPort, got.Encap.DstPort}, [2]uint16{want.Encap.SrcPort, want.Encap.DstPort})
	}
	return complain("the dump's SA", bad)
}

// saIs checks that the dump has an SA as it was given, or with nil not at all.
func (d *bed) saIs(ctx context.Context, key kernel.Key, want *kernel.SA) error {
	got, err := d.sa(ctx, key)
	switch {
	case err != nil:
		return err
	case want == nil && got != nil:
		return fmt.Errorf("the dump has the SA with SPI %#x to %v, which should not be there", key.SPI, key.Dst)
	case want == nil:
		return nil
	case got == nil:
		return fmt.Errorf("the dump does not have the SA with SPI %#x to %v", key.SPI, key.Dst)
	}
	return saDiffers(got, want)
}

// saKinds are SAs a back end has as they are, or refuses. With needs announced it
// must have it, and without it must refuse; required: every one has it.
var saKinds = []struct {
	name     string
	needs    kernel.Feature
	required bool
	change   func(*kernel.SA)
}{
	{"ESP in tunnel mode", kernel.FeatESP | kernel.FeatTunnel, false, func(*kernel.SA) {}},
	{"ESP in transport mode", kernel.FeatESP | kernel.FeatTransport, false, func(s *kernel.SA) { s.Mode = kernel.ModeTransport }},
	{"ESP outbound", kernel.FeatESP, false, func(s *kernel.SA) { s.Dir, s.Key.Src, s.Key.Dst = kernel.Out, here, there }},
	{"AH in tunnel mode", kernel.FeatAH | kernel.FeatTunnel, false, func(s *kernel.SA) { s.Key.Proto, s.Encr = ah, nil }},
	{"AH in transport mode", kernel.FeatAH | kernel.FeatTransport, false, func(s *kernel.SA) { s.Key.Proto, s.Encr, s.Mode = ah, nil, kernel.ModeTransport }},
	{"IPComp in transport mode", kernel.FeatIPComp, false, func(s *kernel.SA) {
		s.Key.Proto, s.Encr, s.Auth, s.Comp, s.Mode = ipcomp, nil, nil, deflate, kernel.ModeTransport
		s.Key.SPI = 256 + s.Key.SPI%60000
	}},
	{"ESP in UDP", kernel.FeatNATT, false, func(s *kernel.SA) { s.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500} }},
	{"ESP in UDP from another port", kernel.FeatNATT, false, func(s *kernel.SA) { s.Encap = &kernel.Encap{SrcPort: 61234, DstPort: 4500} }},
	{"with extended sequence numbers", kernel.FeatESN, false, func(s *kernel.SA) { s.ESN = true }},
	{"without anti-replay", kernel.FeatNoReplay, false, func(s *kernel.SA) { s.NoReplay, s.ReplayWindow = true, 0 }},
	{"with a mark", kernel.FeatMark, false, func(s *kernel.SA) { s.Key.Mark = &kernel.Mark{Value: 0x17, Mask: 0xff} }},
	{"with an interface ID", kernel.FeatIfID, false, func(s *kernel.SA) { s.Key.IfID = 23 }},
	{"with an output mark", kernel.FeatOutputMark, false, func(s *kernel.SA) {
		s.Dir, s.Key.Src, s.Key.Dst = kernel.Out, here, there
		s.OutputMark = &kernel.Mark{Value: 0x2a, Mask: 0xffff}
	}},
	{"in BEET mode", kernel.FeatBEET, false, func(s *kernel.SA) { s.Mode = kernel.ModeBEET; s.Sel = hosts() }},
	{"with a selector", 0, false, func(s *kernel.SA) { s.Mode = kernel.ModeTransport; s.Sel = hosts() }},
	{"without lifetime", 0, true, func(s *kernel.SA) { s.Life = kernel.Lifetime{} }},
	{"with a lifetime in octets", 0, true, func(s *kernel.SA) { s.Life.SoftBytes, s.Life.HardBytes = 900<<20, 1000<<20 }},
	{"with a lifetime of more octets than 32 bits count", 0, true, func(s *kernel.SA) { s.Life.SoftBytes, s.Life.HardBytes = 9<<40, 10<<40 }},
	{"with a lifetime in packets", 0, false, func(s *kernel.SA) { s.Life.SoftPackets, s.Life.HardPackets = 900000, 1000000 }},
	{"with a security label", kernel.FeatLabel, false, func(s *kernel.SA) { s.Label = "system_u:object_r:ipsec_spd_t:s0" }},
	{"between IPv6 addresses", 0, false, func(s *kernel.SA) { s.Key.Src, s.Key.Dst = there6, here6 }},
}

func hosts() *kernel.Selector {
	return &kernel.Selector{Src: netip.PrefixFrom(there, 32), Dst: netip.PrefixFrom(here, 32)}
}

func saFields(ctx context.Context, d *bed) error {
	var all error
	for _, k := range saKinds {
		sa := d.newSA()
		k.change(sa)
		required := k.required || k.needs != 0 && d.has(k.needs)
		var err error
		if refuse := k.needs != 0 && !required; refuse {
			err = d.refuses(ctx, saOp(kernel.AddSA, sa), errs.Unsupported)
		} else {
			err = d.keepsSA(ctx, sa, required)
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("an SA %s: %w", k.name, err))
		}
	}
	return all
}

// keepsSA adds an SA, reads it back and deletes it; a refusal is fine where it is not
// required.
func (d *bed) keepsSA(ctx context.Context, sa *kernel.SA, required bool) error {
	res, err := d.apply(ctx, kernel.Stop, saOp(kernel.AddSA, sa))
	switch {
	case err != nil:
		return err
	case !res[0].Done && !required:
		return errors.Join(is(res[0].Err.Err(), errs.Unsupported, "it is not there, and the reason"), d.saIs(ctx, sa.Key, nil))
	case !res[0].Done:
		return orNoReason(res[0].Err)
	}
	return errors.Join(d.saIs(ctx, sa.Key, sa), d.must(ctx, deleteSA(sa.Key)), d.saIs(ctx, sa.Key, nil))
}

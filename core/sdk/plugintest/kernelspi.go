package plugintest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var spiChecks = []kernelCheck{
	{name: "SPIs are distinct, in range and one per request", run: allocates,
		fix: "AllocateSPIs gives one result per request, in order, within Min and Max of the request; a bad request fails alone"},
	{name: "an SPI is given to one caller only, however many ask", run: allocatesToMany,
		fix: "reserve the SPI in the kernel (a larval SA), or remember what was given out and look at what the kernel has: two quick modes at once must not get the same"},
	{name: "a full range is an error, not an SPI that is taken", run: exhausts,
		fix: "when no SPI of the range is free answer an error for that request"},
	{name: "the protocols that have SPIs get them, the others do not", run: spiProtocols,
		fix: "50, 51 and 108 as announced, everything else is errs.Unsupported; a CPI has 16 bits (RFC 3173 section 3.3)"},
}

func spiRequests(n int, lowest, highest uint32) []kernel.SPIRequest {
	reqs := make([]kernel.SPIRequest, n)
	for i := range reqs {
		reqs[i] = kernel.SPIRequest{Src: there, Dst: here, Proto: esp, Min: lowest, Max: highest}
	}
	return reqs
}

// reserve asks for SPIs that have to be given.
func (d *bed) reserve(ctx context.Context, reqs []kernel.SPIRequest) ([]uint32, error) {
	res, err := d.AllocateSPIs(ctx, reqs)
	if err != nil {
		return nil, err
	}
	var spis []uint32
	for i, r := range res {
		if r.Err != nil {
			return nil, fmt.Errorf("SPI request %d: %w", i, r.Err)
		}
		if r.SPI < reqs[i].Min || r.SPI > reqs[i].Max {
			return nil, fmt.Errorf("SPI request %d: %#x is not from %#x to %#x", i, r.SPI, reqs[i].Min, reqs[i].Max)
		}
		spis = append(spis, r.SPI)
	}
	return spis, nil
}

// AllocateSPIs has what it reserves removed later.
func (d *bed) AllocateSPIs(ctx context.Context, reqs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	res, err := d.Kernel.AllocateSPIs(ctx, reqs)
	for i, r := range res {
		if r.Err == nil {
			d.remember([]kernel.Op{saOp(kernel.AddSA, &kernel.SA{Key: kernel.Key{Src: reqs[i].Src, Dst: reqs[i].Dst, SPI: r.SPI, Proto: reqs[i].Proto}})})
		}
	}
	return res, err
}

// spiRange is one nobody else uses.
func (d *bed) spiRange(size uint32) (lowest, highest uint32) {
	lowest = d.caps.SPIMin + (d.caps.SPIMax-d.caps.SPIMin)/2 + d.next()*1024%(1<<24)
	return lowest, lowest + size - 1
}

func allocates(ctx context.Context, d *bed) error {
	lowest, highest := d.spiRange(256)
	reqs := spiRequests(16, lowest, highest)
	reqs[7].Min, reqs[7].Max = 10, 5
	res, err := d.AllocateSPIs(ctx, reqs)
	if err != nil {
		return err
	}
	if res[7].Err == nil {
		return fmt.Errorf("an SPI (%#x) from an empty range", res[7].SPI)
	}
	first, err := d.reserve(ctx, spiRequests(16, lowest, highest))
	if err != nil {
		return err
	}
	seen := map[uint32]bool{}
	for i, r := range res {
		switch {
		case i == 7:
			continue
		case r.Err != nil:
			return fmt.Errorf("request %d: %w", i, r.Err)
		case seen[r.SPI] || r.SPI < lowest || r.SPI > highest:
			return fmt.Errorf("request %d: SPI %#x is out of range or taken", i, r.SPI)
		}
		seen[r.SPI] = true
	}
	for _, spi := range first {
		if seen[spi] {
			return fmt.Errorf("SPI %#x was given out by one call and by the next", spi)
		}
	}
	return nil
}

func allocatesToMany(ctx context.Context, d *bed) error {
	other := d
	if !d.want.Volatile {
		var err error
		if other, err = d.another(ctx); err != nil {
			return err
		}
	}
	const callers, each = 8, 24
	lowest, highest := d.spiRange(2 * callers * each) // so that many draws collide
	var wg sync.WaitGroup
	got, failed := make([][]uint32, callers), make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			from := d
			if i%2 == 1 {
				from = other
			}
			got[i], failed[i] = from.reserve(ctx, spiRequests(each, lowest, highest))
		})
	}
	wg.Wait()
	if other != d {
		d.made = append(d.made, other.made...)
	}
	seen := map[uint32]int{}
	for i, spis := range got {
		for _, spi := range spis {
			if before, taken := seen[spi]; taken {
				failed = append(failed, fmt.Errorf("SPI %#x was given to caller %d and to caller %d", spi, before, i))
			}
			seen[spi] = i
		}
	}
	return errors.Join(failed...)
}

func exhausts(ctx context.Context, d *bed) error {
	lowest, _ := d.spiRange(1)
	if _, err := d.reserve(ctx, spiRequests(1, lowest, lowest)); err != nil {
		return err
	}
	res, err := d.AllocateSPIs(ctx, spiRequests(1, lowest, lowest))
	if err == nil && res[0].Err == nil {
		return fmt.Errorf("the only SPI of the range, %#x, was given out twice (%#x)", lowest, res[0].SPI)
	}
	return nil
}

func spiProtocols(ctx context.Context, d *bed) error {
	const maxCPI = 61439 // RFC 3173 section 3.3: the others are well-known or private
	reqs := spiRequests(2, 256, maxCPI)
	reqs[0].Proto, reqs[1].Proto = ipcomp, 17
	res, err := d.AllocateSPIs(ctx, reqs)
	if err != nil {
		return err
	}
	if d.has(kernel.FeatIPComp) && res[0].Err != nil {
		return fmt.Errorf("it announces IPComp and has no CPI: %w", res[0].Err)
	}
	if res[0].Err == nil && (res[0].SPI < 256 || res[0].SPI > maxCPI) {
		return fmt.Errorf("CPI %#x was not asked for", res[0].SPI)
	}
	return is(res[1].Err.Err(), errs.Unsupported, "an SPI for protocol 17")
}

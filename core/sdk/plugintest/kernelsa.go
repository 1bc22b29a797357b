package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// IPsec DOI numbers of the algorithms the checks use, RFC 2407 sections 4.4.4, 4.5.
const (
	espAES      = 12
	authHMACSHA = 2
)

// testSA is ESP with AES-CBC and HMAC-SHA1, which every kernel has.
func testSA(spi uint32) *kernel.SA {
	return &kernel.SA{
		Key: kernel.Key{Src: there, Dst: here, SPI: spi, Proto: 50}, ReqID: 16001, Mode: kernel.ModeTunnel, Dir: kernel.In,
		Encr: &kernel.AlgKey{ID: espAES, Key: secret.New(bytes.Repeat([]byte{0xa5}, 16))},
		Auth: &kernel.AlgKey{ID: authHMACSHA, Key: secret.New(bytes.Repeat([]byte{0x5a}, 20))},
		Life: kernel.Lifetime{SoftTime: time.Hour, HardTime: 2 * time.Hour}, ReplayWindow: 32,
	}
}

// sas finds an SA in a dump.
func sas(ctx context.Context, k *pluginhost.Kernel, key kernel.Key) (*kernel.SA, error) {
	var found *kernel.SA
	err := k.Dump(ctx, kernel.DumpFilter{SAs: true}, func(o kernel.Object) error {
		if o.SA != nil && o.SA.Key.SPI == key.SPI && o.SA.Key.Dst == key.Dst && o.SA.Key.Proto == key.Proto {
			found = o.SA
		}
		return nil
	})
	return found, err
}

func saLife(ctx context.Context, k *pluginhost.Kernel) error {
	sa := testSA(0x50000000 + rand.Uint32N(1<<20))
	if err := must(ctx, k, kernel.Op{Kind: kernel.AddSA, SA: sa}); err != nil {
		return err
	}
	if err := refuses(ctx, k, kernel.Op{Kind: kernel.AddSA, SA: sa}, errs.Exists); err != nil {
		return err
	}
	stats, err := k.Query(ctx, []kernel.Key{sa.Key, {Src: there, Dst: here, SPI: 0x7fff0002, Proto: 50}})
	if err != nil || !stats[0].Found || stats[1].Found || stats[0].Packets != 0 {
		return fmt.Errorf("query of one SA that is there and one that is not: %+v, %w", stats, err)
	}
	if err := mature(ctx, k, sa); err != nil {
		return err
	}
	if err := must(ctx, k, kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: sa.Key}}); err != nil {
		return err
	}
	if got, err := sas(ctx, k, sa.Key); err != nil || got != nil {
		return fmt.Errorf("after the delete the dump has %+v, %w", got, err)
	}
	return nil
}

// mature checks that a dump has sa, as it was given and without keys.
func mature(ctx context.Context, k *pluginhost.Kernel, sa *kernel.SA) error {
	got, err := sas(ctx, k, sa.Key)
	switch {
	case err != nil:
		return err
	case got == nil:
		return errors.New("the dump does not have the SA")
	case got.Encr != nil && got.Encr.Key.Len() > 0 || got.Auth != nil && got.Auth.Key.Len() > 0:
		return errors.New("the dump shows keys")
	case got.State != kernel.Mature || got.ReqID != sa.ReqID || got.Mode != sa.Mode || got.Key.Src != sa.Key.Src:
		return fmt.Errorf("the dump has %+v, want %+v and mature", *got, *sa)
	case got.Encr == nil || got.Encr.ID != sa.Encr.ID || got.Auth == nil || got.Auth.ID != sa.Auth.ID:
		return fmt.Errorf("the dump has algorithms %+v and %+v", got.Encr, got.Auth)
	}
	return nil
}

func larvalToMature(ctx context.Context, k *pluginhost.Kernel) error {
	res, err := k.AllocateSPIs(ctx, []kernel.SPIRequest{{Src: there, Dst: here, Proto: 50, Min: 0x60000000, Max: 0x60ffffff, ReqID: 16001}})
	if err != nil {
		return err
	}
	if res[0].Err != nil {
		return res[0].Err
	}
	sa := testSA(res[0].SPI)
	if err := must(ctx, k, kernel.Op{Kind: kernel.UpdateSA, SA: sa}); err != nil {
		return err
	}
	if err := mature(ctx, k, sa); err != nil {
		return err
	}
	return must(ctx, k, kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: sa.Key}})
}

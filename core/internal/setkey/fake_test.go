package setkey

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

// noon is the time of every test.
var noon = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// newKernel is a kernel that has every algorithm.
func newKernel() *kerneltest.Fake {
	f := kerneltest.New()
	f.DumpKeys, f.Now = true, func() time.Time { return noon }
	for kind, table := range map[kernel.AlgKind][]algorithm{kernel.AlgEncr: encrs, kernel.AlgAuth: auths, kernel.AlgComp: comps} {
		for _, a := range table {
			if a.ID != 0 {
				f.Algorithms = append(f.Algorithms, kernel.Algorithm{Kind: kind, ID: a.ID, MaxKey: 4096, ICVs: []uint16{96, 128}})
			}
		}
	}
	return f
}

// names are the hosts and services of the tests.
type names struct{}

func (names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	hosts := map[string][]netip.Addr{
		"host-a": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		"host-b": {netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")},
		"host-4": {netip.MustParseAddr("192.0.2.4")},
		"host-6": {netip.MustParseAddr("2001:db8::6")},
	}
	if hosts[host] == nil {
		return nil, fmt.Errorf("no such host")
	}
	return hosts[host], nil
}

func (names) LookupPort(_ context.Context, network, service string) (int, error) {
	ports := map[string]int{"isakmp": 500, "domain": 53}
	if network != "udp" || ports[service] == 0 {
		return 0, fmt.Errorf("no such service")
	}
	return ports[service], nil
}

// bench is a runner and what it prints.
type bench struct {
	*Runner
	out, err bytes.Buffer
}

func newBench(k kernel.Backend) *bench {
	b := &bench{}
	b.Runner = &Runner{Kernel: k, Names: names{}, Out: &b.out, Err: &b.err, Name: "setkey", Now: func() time.Time { return noon.Add(5 * time.Minute) }, PID: 1234, RFC: true}
	return b
}

// run carries out a text.
func (b *bench) run(t testing.TB, text string) (failed int) {
	t.Helper()
	cmds, err := Parse("FILE", text)
	if err != nil {
		t.Fatal(err)
	}
	return b.Run(t.Context(), cmds)
}

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// contents are the SAs and policies of a kernel, in an order, without what the
// kernel has chosen.
func contents(k *kerneltest.Fake) (sas []kernel.SA, policies []kernel.Policy) {
	sas, policies = k.SAs(), k.Policies()
	slices.SortFunc(sas, func(a, b kernel.SA) int {
		return cmp.Or(cmp.Compare(a.Key.SPI, b.Key.SPI), a.Key.Src.Compare(b.Key.Src))
	})
	slices.SortFunc(policies, func(a, b kernel.Policy) int {
		return strings.Compare(fmt.Sprint(a.Key.Sel, a.Key.Dir), fmt.Sprint(b.Key.Sel, b.Key.Dir))
	})
	for i := range policies {
		policies[i].Key.ID = 0
	}
	return sas, policies
}

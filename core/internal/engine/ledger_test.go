package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

func entry(dst string, spi uint32) ledgerKey {
	return ledgerKey{SAKey: ike.SAKey{Dst: addr(dst), Proto: 50, SPI: spi}}
}

func reopen(t *testing.T, l *ledger) *ledger {
	t.Helper()
	l.close()
	again, err := openLedger(l.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.close)
	return again
}

func TestTheLedgerOutlivesItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sas")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	one, two, three := entry("192.0.2.1", 1), entry("2001:db8::1", 2), entry("fe80::1%eth0", 3)
	for _, err := range []error{l.add([]ledgerKey{one, two, three}), l.add([]ledgerKey{one}), l.remove([]ledgerKey{two}), l.remove([]ledgerKey{two})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(path)
	want := "+ 192.0.2.1 50 0x00000001\n+ 2001:db8::1 50 0x00000002\n+ fe80::1%eth0 50 0x00000003\n- 2001:db8::1 50 0x00000002\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[ike.SAKey]bool{one.SAKey: true, three.SAKey: true}, reopen(t, l).all(), comparable_); diff != "" {
		t.Error(diff)
	}
	if fi, _ := os.Stat(path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
}

var comparable_ = cmp.Comparer(func(a, b ike.SAKey) bool { return a == b })

func TestALedgerThatWasCutOffIsRead(t *testing.T) {
	whole := "+ 192.0.2.1 50 0x00000001\n- 192.0.2.9 50 0x00000009\n+ 192.0.2.1 50 0x00000002\n"
	for cut := range len(whole) {
		path := filepath.Join(t.TempDir(), "sas")
		if err := os.WriteFile(path, []byte(whole[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := openLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		want := strings.Count(whole[:cut]+"\n", "+ 192.0.2.1 50 0x00000001\n") + strings.Count(whole[:cut]+"\n", "+ 192.0.2.1 50 0x00000002\n")
		if got := len(l.all()); got != want {
			t.Errorf("cut after %d octets: %v", cut, l.all())
		}
	}
}

func TestTheLedgerDoesNotGrowForEver(t *testing.T) {
	l, err := openLedger(filepath.Join(t.TempDir(), "sas"))
	if err != nil {
		t.Fatal(err)
	}
	keep := entry("192.0.2.1", 7)
	if err := l.add([]ledgerKey{keep}); err != nil {
		t.Fatal(err)
	}
	for spi := range uint32(3000) {
		k := []ledgerKey{entry("192.0.2.1", 1000+spi)}
		if err := l.add(k); err != nil {
			t.Fatal(err)
		}
		if err := l.remove(k); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(l.path)
	if n := strings.Count(string(text), "\n"); n > 1100 {
		t.Errorf("%d lines", n)
	}
	if diff := cmp.Diff(map[ike.SAKey]bool{keep.SAKey: true}, reopen(t, l).all(), comparable_); diff != "" {
		t.Error(diff)
	}
}

// A full disk takes half a line; what comes after it must not be lost with it.
func TestALedgerThatCouldNotBeWrittenIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sas")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	l.file.WriteString("+ 192.0.2.1 50 0x00")
	l.file.Close()
	if err := l.add([]ledgerKey{entry("192.0.2.1", 0x11)}); err == nil {
		t.Fatal("no error")
	}
	if err := l.add([]ledgerKey{entry("192.0.2.1", 0x12)}); err != nil {
		t.Fatal(err)
	}
	l.close()
	again, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if n := len(again.all()); n != 2 {
		t.Errorf("%v", again.all())
	}
}

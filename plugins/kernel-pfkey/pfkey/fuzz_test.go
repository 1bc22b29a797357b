package pfkey

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Whatever comes, it is read or refused, on every system.
func FuzzParse(f *testing.F) {
	all := []System{linux(), freebsd(), netbsd(), darwin()}
	for i := range all {
		for _, c := range canonical(&all[i]) {
			if c.err == nil {
				f.Add(c.b)
			}
		}
		files, err := filepath.Glob(filepath.Join("testdata", "golden", all[i].Name, "*.txt"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			if b, err := octets(name); err == nil {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for i := range all {
			m, err := all[i].parse(b)
			if err != nil {
				continue
			}
			for _, e := range m.ext {
				if len(e) == 0 || len(e)%8 != 0 {
					t.Fatalf("an extension of %d octets", len(e))
				}
			}
			m.event(by(1), ^kernel.EventMask(0))
			m.supported(extSupportedAuth)
			if o, ok, err := m.decodeSA(time.Unix(1700000000, 0), true); ok && err == nil && o.SA == nil {
				t.Fatal("an SA that is none")
			}
			p, _, ok, err := m.decodePolicy()
			if !ok || err != nil || !p.Key.Sel.Src.IsValid() {
				continue
			}
			// What we could have said ourselves comes back the same.
			again, err := all[i].encodePolicy(msgSPDAdd, p)
			if err != nil {
				continue
			}
			m, err = all[i].parse(again)
			if err != nil {
				t.Fatalf("%+v makes an unreadable message: %v", p, err)
			}
			if q, _, ok, err := m.decodePolicy(); !ok && p.Key.ID == 0 || err != nil {
				t.Fatalf("%+v becomes %+v, %v", p, q, err)
			}
		}
	})
}

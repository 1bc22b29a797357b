package engine

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

func TestASavedSAReadsBack(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.Local)
	key := func(n int) secret.Bytes { return secret.New(bytes.Repeat([]byte{0xa5}, n)) }
	for name, sa := range map[string]*kernel.SA{
		"ESP":        {Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 50, SPI: 0xc0ffee}, Mode: 2, ReqID: 7, Encr: &kernel.AlgKey{ID: 12, Key: key(16)}, Auth: &kernel.AlgKey{ID: 2, Key: key(20)}},
		"ESP, GCM":   {Key: kernel.Key{Src: addr("2001:db8::1"), Dst: addr("2001:db8::2"), Proto: 50, SPI: 1 << 31}, Mode: 1, Encr: &kernel.AlgKey{ID: 20, Key: key(36)}},
		"AH":         {Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 51, SPI: 4711}, Mode: 1, Auth: &kernel.AlgKey{ID: 1, Key: key(16)}},
		"IPComp":     {Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 108, SPI: 4711}, Mode: 2, Comp: 2},
		"with bytes": {Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 51, SPI: 4711}, Mode: 1, Auth: &kernel.AlgKey{ID: 5, Key: key(32)}, Life: kernel.Lifetime{HardBytes: 1 << 40}},
	} {
		sa.Dir, sa.Life.HardTime = kernel.In, time.Hour
		line := formatSaved(sa, now)
		got, err := parseSaved(line, now.Add(10*time.Minute))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := *sa
		want.Life.HardTime = 50 * time.Minute
		plain := func(s *kernel.SA) string {
			var keys []byte
			for _, k := range []*kernel.AlgKey{s.Encr, s.Auth} {
				if k != nil {
					keys = append(append(keys, byte(k.ID), ' '), k.Key.Reveal()...)
				}
			}
			c := *s
			c.Encr, c.Auth = nil, nil
			return hex.EncodeToString(keys) + strings.TrimSpace(cmp.Diff(kernel.SA{}, c, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })))
		}
		if d := cmp.Diff(plain(&want), plain(got.sa)); d != "" || got.left != 50*time.Minute {
			t.Errorf("%s: %v left, %s", name, got.left, d)
		}
	}
}

// What the original writes; the layout is that of racoon-behaviour section 17.3.
const savedLine = "Jan 02 03:04:05 2026%192.0.2.1 192.0.2.2 3 4711 2 7 4 12 16 3 20 0 0 0 3600 0 0 " +
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"

func TestSavedLinesThatAreNone(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	edit := func(field int, to string) string {
		at, rest, _ := strings.Cut(savedLine, "%")
		f := strings.Split(rest, " ")
		f[field] = to
		return at + "%" + strings.Join(f, " ")
	}
	if s, err := parseSaved([]byte(savedLine+"\n"), now); err != nil || s.sa.Encr.ID != 12 || s.sa.Auth.ID != 2 || s.left != time.Hour {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, line := range map[string]string{
		"no time":              strings.Replace(savedLine, "Jan", "Jxn", 1),
		"no %":                 strings.Replace(savedLine, "%", " ", 1),
		"a field too many":     strings.Replace(savedLine, " 4711", "  4711", 1),
		"cut off":              savedLine[:len(savedLine)-1],
		"no address":           edit(0, "gateway.example"),
		"two families":         edit(0, "2001:db8::1"),
		"another SA type":      edit(2, "5"),
		"SPI 0":                edit(3, "0"),
		"a large SPI":          edit(3, "4294967296"),
		"no mode":              edit(4, "3"),
		"keys that are short":  edit(8, "15"),
		"a key length of 2^64": edit(8, "18446744073709551615"),
		"no hexadecimal":       edit(17, strings.Repeat("zz", 36)),
		"no algorithm":         strings.Replace(edit(7, "0"), " 3 20 ", " 0 20 ", 1),
	} {
		if s, err := parseSaved([]byte(line), now); err == nil {
			t.Errorf("%s: %+v", name, s.sa)
		} else if strings.Contains(err.Error(), "0001") {
			t.Errorf("%s: the error shows the line: %v", name, err)
		}
	}
	if s, err := parseSaved([]byte(savedLine), now.Add(time.Hour)); err != nil || s.left > 0 {
		t.Errorf("an hour later %v are left, %v", s.left, err)
	}
	if s, err := parseSaved([]byte(savedLine), now.Add(-time.Hour)); err != nil || s.left != time.Hour {
		t.Errorf("with a clock that was set back %v are left, %v", s.left, err)
	}
}

func FuzzParseSaved(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	f.Add([]byte(savedLine))
	f.Add([]byte("Jan 02 03:04:05 2026%2001:db8::1 2001:db8::2 9 4711 2 7 0 2 0 0 0 0 0 0 3600 0 0 "))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := parseSaved(line, now)
		if err != nil || s.left <= 0 {
			return
		}
		again, err := parseSaved(formatSaved(s.sa, now), now)
		if err != nil || again.sa.Key != s.sa.Key || again.sa.Mode != s.sa.Mode || again.left > s.left {
			t.Errorf("%q: %+v, then %+v, %v", line, s.sa, again.sa, err)
		}
	})
}

// A host that was switched off has lost its SAs, a racoon that was killed has lost
// sight of them; the peer knows of neither. With -B the peer is understood from the
// first moment, nothing is sent with old sequence numbers, and both have new SAs at once.
func TestSAsAreRestored(t *testing.T) {
	for name, killed := range map[string]bool{"switched off": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			p := freePort(t)
			one, two := addr("127.0.0.1"), addr("127.0.0.2")
			dir := t.TempDir()
			o := endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(two, p, oakley.X25519)}, dir: dir, backup: filepath.Join(dir, "backup")}
			o.remotes[0].InitialContact = true
			pa, pb := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8), tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
			a := newEnd(t, one, p, o)
			b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(one, p, oakley.X25519)}})
			a.kern.policies, b.kern.policies = []*kernel.Policy{pa, reverse(pa)}, []*kernel.Policy{pb, reverse(pb)}
			a.up(t)
			b.up(t)
			if err := a.Establish(t.Context(), EstablishRequest{Remote: two}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "up", func() bool { both, odd := sads(a, b); return len(both) == 2 && len(odd) == 0 })
			out, _ := carries(a, b)
			a.end()
			if text, err := os.ReadFile(o.backup); err != nil || bytes.Count(text, []byte("\n")) != 1 {
				t.Fatalf("saved %d lines, want that of the inbound SA: %v", bytes.Count(text, []byte("\n")), err)
			}

			if o.restore = true; killed {
				o.kernel = a.kern
			}
			again := newEnd(t, one, p, o)
			if killed {
				again.kern = a.kern
			} else {
				again.kern.policies = a.kern.policies
			}
			again.up(t)
			if key, ok := carries(b, again); !ok {
				t.Errorf("the peer sends with %+v, which is not there", key)
			}
			eventually(t, "up again", func() bool { return again.count(notice.Phase2Up) == 1 && b.count(notice.Phase2Up) == 2 })
			for way, ends := range map[string][2]*end{"from the peer": {b, again}, "to the peer": {again, b}} {
				eventually(t, way, func() bool { _, ok := carries(ends[0], ends[1]); return ok })
			}
			if slices.Contains(again.kern.spis(), out.SPI) {
				t.Error("the outbound SA is back")
			}
			if n := b.count(notice.Phase2Down); n != 0 {
				t.Errorf("the peer has dropped %d pairs: was it told that nothing is remembered?", n)
			}
			if err := again.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if got := again.kern.spis(); len(got) != 0 {
				t.Errorf("left behind: %x", got)
			}
			if text, err := os.ReadFile(o.backup); err != nil || len(text) != 0 {
				t.Errorf("%d octets are left in the file: %v", len(text), err)
			}
		})
	}
}

// Nobody else may read or place the file.
func TestAFileOfSavedSAsMustBeOurs(t *testing.T) {
	dir := t.TempDir()
	open, link := filepath.Join(dir, "open"), filepath.Join(dir, "link")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"open to others": open, "a link": link, "a directory": dir, "none": filepath.Join(dir, "no", "such")} {
		var b backup
		if err := b.open(path, true); err == nil {
			t.Errorf("%s: it is used", name)
		}
	}
	fresh := filepath.Join(dir, "fresh")
	b := backup{alive: func(ike.SAKey) bool { return true }}
	if err := b.open(fresh, true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("made with %v, %v", info.Mode(), err)
	}
}

// The file does not grow for ever, and keeps what is alive.
func TestSavedSAsThatHaveEndedLeaveTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sas")
	live := ike.SAKey{}
	b := backup{alive: func(k ike.SAKey) bool { return k == live }}
	if err := b.open(path, false); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for spi := range uint32(1000) {
		sa := &kernel.SA{Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 51, SPI: 4711 + spi}, Mode: 1, Dir: kernel.In,
			Auth: &kernel.AlgKey{ID: 5, Key: secret.New(make([]byte, 32))}, Life: kernel.Lifetime{HardTime: time.Hour}}
		if spi == 3 {
			live = saKey(sa.Key)
		}
		if err := b.save([]kernel.Op{{Kind: kernel.UpdateSA, SA: sa}}, now); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(path)
	if n := bytes.Count(text, []byte("\n")); n > 200 {
		t.Errorf("%d lines for one SA", n)
	}
	all, bad := b.saved(now)
	if len(bad) != 0 || !slices.ContainsFunc(all, func(s savedSA) bool { return saKey(s.sa.Key) == live }) {
		t.Errorf("%d SAs, without the one that lives; %v", len(all), bad)
	}
}

// A transaction may have a generated policy beside its SAs.
func TestPoliciesAreNotSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sas")
	b := backup{alive: func(ike.SAKey) bool { return true }}
	if err := b.open(path, false); err != nil {
		t.Fatal(err)
	}
	sa := &kernel.SA{Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 51, SPI: 4711}, Mode: 1, Dir: kernel.In,
		Auth: &kernel.AlgKey{ID: 5, Key: secret.New(make([]byte, 32))}, Life: kernel.Lifetime{HardTime: time.Hour}}
	in := spd.Policy{Key: spd.Key{Dir: spd.In, Src: prefix("192.0.2.1/32"), Dst: prefix("192.0.2.2/32")}}
	if err := b.save([]kernel.Op{{Kind: kernel.UpdateSA, SA: sa}, policyOp(kernel.UpdatePolicy, in)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if all, bad := b.saved(time.Now()); len(all) != 1 || len(bad) != 0 {
		t.Errorf("%d SAs, %v", len(all), bad)
	}
}

// What cannot be copied whole does not take the place of the old file.
func TestASavedSAThatCannotBeCopiedIsAnError(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	b := backup{alive: func(ike.SAKey) bool { return true }}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	if n, err := b.copyLive(w, []byte(savedLine+"\n"), now); n != 0 || err == nil {
		t.Errorf("%d lines, %v", n, err)
	}
}

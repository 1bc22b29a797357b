package policy

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// planned is a plan in words: "+" added, "-" removed, "~" changed, "=" kept.
func planned(p *Plan) (all []string) {
	all = append(sections(p.Remotes, func(r *Remote) string { return r.Name }), sections(p.SAInfos, (*SAInfo).String)...)
	slices.Sort(all)
	return append(all, p.Others...)
}

func sections[T any](c Changes[T], name func(*T) string) (all []string) {
	for _, s := range c.Added {
		all = append(all, "+"+name(s))
	}
	for _, s := range c.Removed {
		all = append(all, "-"+name(s))
	}
	for _, s := range c.Changed {
		all = append(all, "~"+name(s.New))
	}
	for _, s := range c.Kept {
		all = append(all, "="+name(s.New))
	}
	return all
}

// TestPlan: what a reload would add, remove, change and keep.
func TestPlan(t *testing.T) {
	base := func() *Config {
		return &Config{Timer: DefaultTimer(), Padding: DefaultPadding(),
			Remotes: []*Remote{literal("192.0.2.1[500]", "192.0.2.1", Main), {Name: "office", Addr: netip.MustParseAddr("192.0.2.2"), Modes: []ExchangeMode{Main}}, anonymous("anonymous", Main)},
			SAInfos: []*SAInfo{{Lifetime: time.Hour}, {RemoteID: 7, From: &Identity{Type: IDFQDN, Data: []byte("gw"), Text: "fqdn gw"}}}}
	}
	for _, c := range []struct {
		name string
		edit func(*Config)
		want []string // but for what is kept
		text string
	}{
		{"nothing", func(*Config) {}, nil, "nothing has changed"},
		{"the file and the generation are not what it says", func(c *Config) { c.File, c.Generation = "other", 9 }, nil, "nothing has changed"},
		{"positions do not count", func(c *Config) { c.Remotes[0].Where.Line, c.SAInfos[0].Where.File = 9, "x" }, nil, "nothing has changed"},
		{"the order of remote sections does not count", func(c *Config) { slices.Reverse(c.Remotes) }, nil, "nothing has changed"},
		{"a new section", func(c *Config) { c.Remotes = append(c.Remotes, literal("new", "192.0.2.9")) }, []string{"+new"}, "remote: 1 added, 3 kept"},
		{"a section that is gone", func(c *Config) { c.Remotes = c.Remotes[1:] }, []string{"-192.0.2.1[500]"}, "remote: 1 removed, 2 kept"},
		{"a section that says something else", func(c *Config) { c.Remotes[2].DPD = true }, []string{"~anonymous"}, "remote: 1 changed, 2 kept"},
		{"a named section whose address is another one is that section", func(c *Config) { c.Remotes[1].Addr = netip.MustParseAddr("192.0.2.8") }, []string{"~office"}, "remote: 1 changed, 2 kept"},
		{"a section for another address is another section", func(c *Config) { c.Remotes[0] = literal("192.0.2.8[500]", "192.0.2.8", Main) }, []string{"+192.0.2.8[500]", "-192.0.2.1[500]"}, "remote: 1 added, 1 removed, 2 kept"},
		{"a second section of a name", func(c *Config) { c.Remotes = append([]*Remote{passive(anonymous("anonymous", Main))}, c.Remotes...) }, []string{"+anonymous"}, "remote: 1 added, 3 kept"},
		{"a value is not the lack of one", func(c *Config) { c.SAInfos[1].From.Data = nil }, []string{"~anonymous from fqdn gw (remoteid 7)"}, "sainfo: 1 changed, 1 kept"},
		{"a sainfo with another header is another one", func(c *Config) { c.SAInfos[1].ClientAddr = true }, []string{"+anonymous clientaddr from fqdn gw (remoteid 7)", "-anonymous from fqdn gw (remoteid 7)"}, "sainfo: 1 added, 1 removed, 1 kept"},
		{"the rest", func(c *Config) {
			c.Log, c.Paths.Script, c.Listen.Strict, c.Timer.Counter, c.Padding.Randomize = LogDebug, "/x", true, 9, false
		}, []string{"log", "paths", "listen", "timer", "padding"}, "changed too: log, paths, listen, timer, padding"},
		{"everything at once", func(c *Config) { c.Remotes, c.SAInfos[0].Lifetime, c.Timer.Counter = c.Remotes[:2], 5, 9 },
			[]string{"-anonymous", "~anonymous", "timer"}, "remote: 1 removed, 2 kept; sainfo: 1 changed, 1 kept; changed too: timer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := base()
			c.edit(now)
			p := NewPlan(base(), now)
			var got []string
			for _, s := range planned(p) {
				if s[0] != '=' {
					got = append(got, s)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if p.String() != c.text || p.Empty() != (c.want == nil) {
				t.Errorf("%q, want %q", p, c.text)
			}
			if n := len(p.Remotes.Kept) + len(p.Remotes.Changed) + len(p.Remotes.Added); n != len(now.Remotes) {
				t.Errorf("%d of %d sections are accounted for", n, len(now.Remotes))
			}
		})
	}
}

// TestAPlanConcerns: which ph1id a change of sainfo sections and of the rest is about.
func TestAPlanConcerns(t *testing.T) {
	base := func() *Config { return &Config{SAInfos: []*SAInfo{{Lifetime: 1}, {Lifetime: 2}, {RemoteID: 7}}} }
	for _, c := range []struct {
		name string
		edit func(*Config)
		want []uint32 // of 0, 7 and 9
	}{
		{"nothing", func(*Config) {}, nil},
		{"a position", func(c *Config) { c.SAInfos[2].Where.Line = 9 }, nil},
		{"the log level", func(c *Config) { c.Log = LogDebug }, nil},
		{"one sainfo", func(c *Config) { c.SAInfos[2].Lifetime = 9 }, []uint32{7}},
		{"the order of sections with one remoteid", func(c *Config) { c.SAInfos[0], c.SAInfos[1] = c.SAInfos[1], c.SAInfos[0] }, []uint32{0}},
		{"the order of sections with different ones", func(c *Config) { c.SAInfos[1], c.SAInfos[2] = c.SAInfos[2], c.SAInfos[1] }, nil},
		{"a sainfo that is gone", func(c *Config) { c.SAInfos = c.SAInfos[:2] }, []uint32{7}},
		{"a sainfo with a new remoteid", func(c *Config) { c.SAInfos = append(c.SAInfos, &SAInfo{RemoteID: 9}) }, []uint32{9}},
		{"a sainfo that has another remoteid", func(c *Config) { c.SAInfos[2].RemoteID = 9 }, []uint32{7, 9}},
		{"the timer", func(c *Config) { c.Timer.Counter = 9 }, []uint32{0, 7, 9}},
	} {
		now := base()
		c.edit(now)
		p := NewPlan(base(), now)
		var got []uint32
		for _, id := range []uint32{0, 7, 9} {
			if p.Concerns(id) {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, c.want) || p.ConcernsAnyone() != (c.want != nil) {
			t.Errorf("%s: concerns %v, want %v", c.name, got, c.want)
		}
	}
}

// TestNoFieldIsForgotten: whatever field of a section or of the rest says something
// else, a plan notices it.
func TestNoFieldIsForgotten(t *testing.T) {
	remote, sainfo := &Remote{}, &SAInfo{Local: &SAID{}, Remote: &SAID{}, From: &Identity{}}
	for name, v := range map[string]reflect.Value{"Remote": reflect.ValueOf(remote).Elem(), "SAInfo": reflect.ValueOf(sainfo).Elem()} {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Type == position {
				continue
			}
			other := reflect.New(v.Type()).Elem()
			other.Set(v)
			other.Field(i).Set(different(v.Field(i)))
			if sameValue(v, other) {
				t.Errorf("%s.%s may change without a trace", name, field.Name)
			}
		}
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		now := &Config{}
		f := reflect.ValueOf(now).Elem().Field(i)
		switch name := reflect.TypeFor[Config]().Field(i).Name; name {
		case "Generation", "File":
		default:
			f.Set(different(f))
			if NewPlan(&Config{}, now).Empty() {
				t.Errorf("Config.%s may change without a trace", name)
			}
		}
	}
}

// different is another value of v's type.
func different(v reflect.Value) reflect.Value {
	n := reflect.New(v.Type()).Elem()
	switch v.Type() {
	case reflect.TypeFor[netip.Addr]():
		return reflect.ValueOf(netip.MustParseAddr("192.0.2.1"))
	case reflect.TypeFor[netip.Prefix]():
		return reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24"))
	}
	switch v.Kind() {
	case reflect.Bool:
		n.SetBool(!v.Bool())
	case reflect.String:
		n.SetString(v.String() + "x")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n.SetInt(v.Int() + 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n.SetUint(v.Uint() + 1)
	case reflect.Slice:
		n = reflect.Append(v, reflect.New(v.Type().Elem()).Elem())
		if v.Type().Elem().Kind() == reflect.Pointer {
			n.Index(n.Len() - 1).Set(reflect.New(v.Type().Elem().Elem()))
		}
	case reflect.Struct:
		n.Set(v)
		n.Field(0).Set(different(v.Field(0)))
	case reflect.Pointer: // nil, else what it points to
		if v.IsNil() {
			return reflect.New(v.Type().Elem())
		}
		n.Set(reflect.New(v.Type().Elem()))
		n.Elem().Set(different(v.Elem()))
	case reflect.Map:
		n.Set(reflect.MakeMap(v.Type()))
	default:
		panic(fmt.Sprintf("teach this test %v", v.Type()))
	}
	return n
}

// TestPositionsDoNotCountWhereverTheyStand.
func TestPositionsDoNotCountWhereverTheyStand(t *testing.T) {
	type inner struct {
		Where Position
		N     int
	}
	type outer struct {
		Where *Position
		List  []inner
		Map   map[string]inner
		Ptr   *inner
		Any   any
		Array [2]inner
		Func  func()
	}
	value := func(line, n int) *outer {
		in := func() inner { return inner{Position{Line: line}, n} }
		p := in()
		return &outer{&Position{Line: line}, []inner{in()}, map[string]inner{"k": in()}, &p, in(), [2]inner{in(), in()}, nil}
	}
	if !same(value(1, 5), value(2, 5)) {
		t.Error("two values that differ in positions only are different")
	}
	for i := range reflect.TypeFor[outer]().NumField() {
		a, b := value(1, 5), value(1, 6)
		v := reflect.ValueOf(a).Elem()
		switch name := v.Type().Field(i).Name; name {
		case "Where":
			a.Where = nil
		case "Func":
			a.Func = func() {}
		default:
			v.Field(i).Set(reflect.ValueOf(b).Elem().Field(i))
		}
		if same(a, value(1, 5)) || same(value(1, 5), a) {
			t.Errorf("%s makes no difference", v.Type().Field(i).Name)
		}
	}
	nilled := &outer{}
	if same(nilled, value(1, 5)) || same(value(1, 5), nilled) || !same(nilled, &outer{}) {
		t.Error("nothing is something")
	}
}

// BenchmarkPlanOfTenThousand compares two snapshots with as many sections of each
// kind, one of which is different.
func BenchmarkPlanOfTenThousand(b *testing.B) {
	load := func() *Config {
		c := &Config{Timer: DefaultTimer(), Padding: DefaultPadding()}
		for i := range 10000 {
			c.Remotes = append(c.Remotes, &Remote{Name: fmt.Sprintf("peer %d", i), Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Modes: []ExchangeMode{Main},
				PeerIDs: []Identity{fqdn("peer.example")}, Proposals: []Phase1Proposal{{Group: 14}, {Group: 31}}})
			c.SAInfos = append(c.SAInfos, &SAInfo{Remote: &SAID{Type: IDIPv4Subnet, Data: []byte{10, 1, byte(i), 0, 255, 255, 255, 0}, Text: fmt.Sprint(i)}, Encryption: []Algorithm{{ID: 12, KeyBits: 128}}})
		}
		return c
	}
	old, now := load(), load()
	now.Remotes[4711].DPD = true
	for b.Loop() {
		if p := NewPlan(old, now); len(p.Remotes.Kept) != 9999 {
			b.Fatal(p)
		}
	}
}

// TestASecretIsComparedByWhatItHolds, though nobody can look into it.
func TestASecretIsComparedByWhatItHolds(t *testing.T) {
	with := func(s string) *Config {
		return &Config{RADIUS: &RADIUS{Auth: []RADIUSServer{{Host: "h", Secret: Secret{Literal: secret.New([]byte(s))}}}}}
	}
	if p := NewPlan(with("one"), with("one")); !p.Empty() {
		t.Errorf("the same: %v", p)
	}
	if p := NewPlan(with("one"), with("two")); p.Empty() {
		t.Error("another one is not noticed")
	}
}

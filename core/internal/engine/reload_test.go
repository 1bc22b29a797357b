package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

func TestReloadTellsOnlyThoseItConcerns(t *testing.T) {
	base := func() *policy.Config {
		c := configOf(literal("192.0.2.2"), literal("192.0.2.3"), anonymous(), literal("198.51.100.10"))
		c.Remotes[1].Ph1ID = 3
		c.Remotes[3].Modes = []policy.ExchangeMode{policy.Aggressive}
		c.SAInfos = []*policy.SAInfo{{Lifetime: time.Hour, Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}}, {RemoteID: 3}, {RemoteID: 9}}
		return c
	}
	everyone := map[string]string{"192.0.2.2": "192.0.2.2", "192.0.2.3": "192.0.2.3", "anonymous": "anonymous"}
	for _, tt := range []struct {
		name string
		edit func(*policy.Config)
		want map[string]string // machine → section it is told, "gone" without one
	}{
		{"nothing", func(*policy.Config) {}, nil},
		{"a section that moved in the file", func(c *policy.Config) { c.Remotes[0].Where.Line = 99; c.SAInfos[0].Where.Line = 98 }, nil},
		{"the order of the sections", func(c *policy.Config) { slices.Reverse(c.Remotes) }, nil},
		{"the log level", func(c *policy.Config) { c.Log = policy.LogDebug }, nil},
		{"addresses to listen on, and paths", func(c *policy.Config) { c.Listen.ISAKMP = []netip.AddrPort{here.Local}; c.Paths.Script = "/x" }, nil},
		{"one section", func(c *policy.Config) { c.Remotes[0].DPD = true }, map[string]string{"192.0.2.2": "192.0.2.2"}},
		{"a proposal of one section", func(c *policy.Config) { c.Remotes[1].Proposals = []policy.Phase1Proposal{{Group: 14}} }, map[string]string{"192.0.2.3": "192.0.2.3"}},
		{"a section that is gone", func(c *policy.Config) { c.Remotes = c.Remotes[1:] }, map[string]string{"192.0.2.2": "gone"}},
		{"a section whose address is another one", func(c *policy.Config) { c.Remotes[0].Addr = addr("192.0.2.22") }, map[string]string{"192.0.2.2": "gone"}},
		{"a closer section for somebody's address", func(c *policy.Config) { c.Remotes = append(c.Remotes, literal("198.51.100.9")) }, map[string]string{"anonymous": "gone"}},
		{"a section that is closer to somebody now", func(c *policy.Config) { c.Remotes[3].Addr = addr("198.51.100.9") }, map[string]string{"anonymous": "gone"}},
		{"a section that fits somebody as well", func(c *policy.Config) { r := anonymous(); r.Name = "too"; c.Remotes = append(c.Remotes, r) }, nil},
		{"a section for somebody else", func(c *policy.Config) { c.Remotes = append(c.Remotes, literal("198.51.100.99")) }, nil},
		{"a section nobody is of", func(c *policy.Config) { c.Remotes[3].DPD = true }, nil},
		{"a sainfo", func(c *policy.Config) { c.SAInfos[0].Encryption[0].KeyBits = 256 }, map[string]string{"192.0.2.2": "192.0.2.2", "anonymous": "anonymous"}},
		{"a sainfo of another ph1id", func(c *policy.Config) { c.SAInfos[1].Lifetime = time.Minute }, map[string]string{"192.0.2.3": "192.0.2.3"}},
		{"a sainfo for nobody", func(c *policy.Config) { c.SAInfos[2].Lifetime = time.Minute }, nil},
		{"a new sainfo", func(c *policy.Config) { c.SAInfos = append(c.SAInfos, &policy.SAInfo{RemoteID: 3}) }, map[string]string{"192.0.2.3": "192.0.2.3"}},
		{"no sainfo any more", func(c *policy.Config) { c.SAInfos = nil }, everyone},
		{"a timer", func(c *policy.Config) { c.Timer.Counter = 9 }, everyone},
		{"padding", func(c *policy.Config) { c.Padding.StrictCheck = true }, everyone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := base()
				h := newHouse(t, Options{Config: old}).start(t)
				for i, to := range []string{"192.0.2.2", "192.0.2.3", "198.51.100.9"} {
					d, err := h.destination(addr("192.0.2.1"), addr(to), "")
					if err != nil {
						t.Fatal(err)
					}
					h.tell(d, ike.Mapping{SPI: uint32(i)})
				}
				h.receive(here, false, edit(0)) // a stranger ends as it began
				cfg := base()
				tt.edit(cfg)
				if _, err := h.Reload(cfg); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				var got map[string]string
				for _, m := range h.all() {
					for _, ev := range m.told() {
						if r, ok := ev.(ike.Reconfigure); ok {
							if got == nil {
								got = map[string]string{}
							}
							name := "gone"
							if r.Remote != nil {
								name = r.Remote.Name
							}
							got[m.setup.Remotes[0].Name] = name
							if m.setup.Stranger || r.Config != h.config.Load().machines {
								t.Error("told a stranger, or of another configuration")
							}
						}
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if h.config.Load().Config != cfg {
					t.Error("the new snapshot is not in force")
				}
			})
		})
	}
}

func TestAConfigurationWhoseSocketsCannotBeHadIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		old := h.config.Load()
		h.wire.fail = fmt.Errorf("address in use")
		if _, err := h.Reload(configOf(literal("192.0.2.3"))); err == nil || h.config.Load() != old {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if got := h.said(notice.ConfigRejected); !slices.Equal(got, []string{"address in use"}) {
			t.Errorf("%q", got)
		}
	})
}

// A peer whose identity is known stays with the section that identity chose, whatever
// is closer to its address, and ends with it.
func TestAReloadGoesByThePeersIdentity(t *testing.T) {
	id := func(s string) policy.Identity { return policy.Identity{Type: 2, Data: []byte(s)} }
	verify := func(r *policy.Remote, ids ...policy.Identity) *policy.Remote {
		r.VerifyIdentifier, r.PeerIDs = true, ids
		return r
	}
	vip := func(ids ...policy.Identity) *policy.Remote {
		r := verify(anonymous(), ids...)
		r.Name = "vip"
		return r
	}
	key := ike.PeerKey{Block: "vip", ID: "\x02gw", Addr: here.Remote}
	for _, tt := range []struct {
		name string
		now  []*policy.Remote
		want string // "" not told
	}{
		{"nothing", []*policy.Remote{vip(id("gw"))}, ""},
		{"a literal address that verifies nobody", []*policy.Remote{vip(id("gw")), literal("192.0.2.2")}, ""},
		{"another identity is accepted too", []*policy.Remote{vip(id("gw"), id("other"))}, "vip"},
		{"its identity is not accepted any more", []*policy.Remote{vip(id("other"))}, "gone"},
		{"a section that names the address, and accepts its identity", []*policy.Remote{vip(id("gw")), verify(literal("192.0.2.2"), id("gw"))}, "gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{Config: configOf(vip(id("gw")))}).start(t)
				h.registry.peer(key, h.newPeer(key, destination{remote: h.config.Load().Remotes[0], path: here}))
				if _, err := h.Reload(configOf(tt.now...)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := told(h.machine(t, 0)); got != tt.want {
					t.Errorf("told %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// told is the section a machine was last told: "" if it was not, "gone" without one.
func told(m *script) (name string) {
	for _, ev := range m.told() {
		if r, ok := ev.(ike.Reconfigure); ok {
			if name = "gone"; r.Remote != nil {
				name = r.Remote.Name
			}
		}
	}
	return name
}

// What a machine was made of may be of yesterday when it is entered.
func TestAPeerThatIsMadeDuringAReloadCatchesUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*policy.Config)
		want string
	}{
		{"its section is another one", func(c *policy.Config) { c.Remotes[0].DPD = true }, "192.0.2.2"},
		{"its section is gone", func(c *policy.Config) { c.Remotes = c.Remotes[1:] }, "gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{}).start(t)
				d, err := h.destination(addr("192.0.2.1"), addr("192.0.2.2"), "")
				if err != nil {
					t.Fatal(err)
				}
				h.receive(here, false, message(cookie(1), cookie(0), isakmp.IdentityProtection))
				synctest.Wait()
				stranger := h.registry.snapshot()[0]
				cfg := configOf(literal("192.0.2.2"), anonymous())
				tt.edit(cfg)
				if _, err := h.Reload(cfg); err != nil {
					t.Fatal(err)
				}
				h.handover(stranger, ike.Handover{Key: ike.PeerKey{Block: "192.0.2.2"}, Remote: d.remote, SA: &ike.ISAKMPSA{}})
				synctest.Wait()
				if got := told(h.machine(t, 1)); got != tt.want {
					t.Errorf("by a handover: told %q, want %q", got, tt.want)
				}
				h.registry.retire(h.registry.snapshot()[0])
				h.tell(d, ike.Mapping{})
				synctest.Wait()
				if got := told(h.machine(t, 2)); got != tt.want {
					t.Errorf("by an acquire: told %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// tenThousand is a configuration with as many sections, each with a sainfo. All of
// it is new each time.
func tenThousand() *policy.Config {
	c := configOf()
	for i := range 10000 {
		r := literal(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String())
		r.NonceSize, r.MyID = 16, policy.Identity{Type: 2, Data: []byte("us.example")}
		r.PeerIDs = []policy.Identity{{Type: 2, Data: fmt.Appendf(nil, "peer-%d.example", i)}}
		r.Where = policy.Position{File: "racoon.conf", Line: i + 1}
		r.Proposals = []policy.Phase1Proposal{{Encryption: 7, KeyBits: 128, Hash: 4, Method: 1, Group: 14, Lifetime: time.Hour}, {Encryption: 7, KeyBits: 256, Hash: 4, Method: 1, Group: 14, Lifetime: time.Hour}}
		c.Remotes = append(c.Remotes, r)
		c.SAInfos = append(c.SAInfos, &policy.SAInfo{Local: &policy.SAID{Type: 4, Data: []byte{10, 0, 0, 0, 255, 0, 0, 0}, Text: "10.0.0.0/8[any] any"},
			Remote:   &policy.SAID{Type: 4, Data: []byte{172, byte(i >> 8), byte(i), 0, 255, 255, 255, 0}, Text: fmt.Sprintf("172.%d.%d.0/24[any] any", i>>8, i&255)},
			Lifetime: time.Hour, Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: 5}}})
	}
	return c
}

// populate makes a machine for every section.
func (h *house) populate(t testing.TB) {
	for _, r := range h.config.Load().Remotes {
		d, err := h.destination(addr("192.0.2.1"), r.Addr, "")
		if err != nil {
			t.Fatal(err)
		}
		h.tell(d, ike.Mapping{})
	}
}

func TestOneSectionOfTenThousandTouchesOnePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: tenThousand()}).start(t)
		h.populate(t)
		synctest.Wait()
		cfg := tenThousand()
		cfg.Remotes[4711].DPD = true
		plan, err := h.Reload(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := plan.String(), "remote: 1 changed, 9999 kept"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		synctest.Wait()
		for _, m := range h.all() {
			want := []string{"Mapping"}
			if m.setup.Remotes[0].Name == cfg.Remotes[4711].Name {
				want = append(want, "Reconfigure")
			}
			if got := m.kinds(); !slices.Equal(got, want) {
				t.Errorf("%s was told %v, want %v", m.setup.Remotes[0].Name, got, want)
			}
		}
		if n := len(h.all()); n != 10000 {
			t.Errorf("%d machines", n)
		}
		if got := h.said(notice.ConfigLoaded); !slices.Equal(got, []string{"remote: 1 changed, 9999 kept"}) {
			t.Errorf("%q", got)
		}
		if h.config.Load().machines.Remotes != nil {
			t.Error("a machine that is not told keeps all sections of the past")
		}
	})
}

// BenchmarkReloadOneOfTenThousand is what a reload costs besides reading the file: the
// plan, and the engine's part with as many machines.
func BenchmarkReloadOneOfTenThousand(b *testing.B) {
	h := newHouse(b, Options{Config: tenThousand()}).start(b)
	h.populate(b)
	next := [2]*policy.Config{tenThousand(), tenThousand()}
	next[0].Remotes[4711].DPD = true
	if _, err := h.Reload(next[1]); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		if plan, err := h.Reload(next[n%2]); err != nil || len(plan.Remotes.Changed) != 1 {
			b.Fatal(plan, err)
		}
	}
}

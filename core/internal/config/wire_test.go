package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// bare is a remote and a sainfo section that say no more than they must, to compare
// a profile with.
const bare = `path pre_shared_key "psk.txt";
remote "peer" { remote_address 192.0.2.2; exchange_mode main;
	proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group modp2048; } }
sainfo anonymous { encryption_algorithm aes 256; authentication_algorithm hmac_sha256; }
`

// TestProfilesOnTheWire: what a profile makes racoon say, to a peer with the same
// one that takes whatever it is offered: as initiator, unless the profile waits for
// its peers, and as responder. bare.wire is without a profile, for comparison.
func TestProfilesOnTheWire(t *testing.T) {
	for _, name := range append([]string{"bare"}, ProfileNames()...) {
		t.Run(name, func(t *testing.T) {
			text := bare
			if name != "bare" {
				text = profiled(name, false, false)
			}
			cfg, _ := load(t, "racoon.conf", text)
			l2tp := strings.HasSuffix(name, "l2tp")
			var out strings.Builder
			if !cfg.Remotes[0].Passive {
				fmt.Fprintf(&out, "racoon initiates\n%s\n", onTheWire(t, cfg, l2tp, true))
			}
			fmt.Fprintf(&out, "racoon responds\n%s", onTheWire(t, cfg, l2tp, false))
			golden(t, filepath.Join("testdata", "profiles", name+".wire"), out.String())
		})
	}
}

// onTheWire lets two hosts negotiate and returns what went over the wire.
func onTheWire(t *testing.T, cfg *policy.Config, l2tp, initiates bool) string {
	t.Helper()
	w := iketest.New(1)
	w.Log = iketest.NewTranscript()
	racoon, peer := w.AddHost("racoon"), w.AddHost("peer")
	racoon.Config = cfg
	peer.Config = mirrored(cfg, racoon.Addr)
	for _, h := range []struct{ at, to *iketest.Host }{{racoon, peer}, {peer, racoon}} {
		h.at.PSK[h.to.Addr] = []string{"0s"}
		policies(h.at, h.to, l2tp)
	}
	if initiates {
		racoon.Acquire(peer)
	} else {
		peer.Acquire(racoon)
	}
	w.Run(5 * time.Second)
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
	said := packets(w.Log.Take(), cfg.Remotes[0])
	if said == "" {
		t.Error("nothing went over the wire")
	}
	return said
}

// mirrored is the peer's side of a configuration.
func mirrored(cfg *policy.Config, racoon netip.Addr) *policy.Config {
	c, r := *cfg, *cfg.Remotes[0]
	r.Name, r.Addr, r.Passive, r.GeneratePolicy, r.ProposalCheck = "racoon", racoon, false, policy.GenerateOff, policy.Obey
	r.MyID, r.PeerIDs = policy.Identity{}, nil
	c.Remotes = []*policy.Remote{&r}
	return &c
}

// policies are those of a tunnel between networks, or of L2TP between hosts.
func policies(h, to *iketest.Host, l2tp bool) {
	tmpl := spd.Template{Proto: 50, Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: 7, Src: h.Addr, Dst: to.Addr}
	key := spd.Key{Dir: spd.Out, Src: h.Net, Dst: to.Net}
	if l2tp {
		tmpl.Mode, tmpl.Src, tmpl.Dst = spd.Transport, netip.Addr{}, netip.Addr{}
		key = spd.Key{Dir: spd.Out, Src: netip.PrefixFrom(h.Addr, 32), Dst: netip.PrefixFrom(to.Addr, 32), SrcPort: 1701, DstPort: 1701, Proto: 17}
	}
	in := tmpl
	in.Src, in.Dst = tmpl.Dst, tmpl.Src
	h.Protect(to, key, []spd.Template{tmpl}, []spd.Template{in})
}

// cookies and message IDs would make every line differ from bare.wire.
var cookies = regexp.MustCompile(` [0-9a-f]{16}:[0-9a-f]{16} msgid=[0-9a-f]{8}| spi=0x[0-9a-f]{32}`)

// packets are the lines of a transcript that are about messages. Where users log
// in, phase 1 is all there is so far; where certificates prove who somebody is, what
// comes before the proof.
func packets(transcript string, r *policy.Remote) string {
	most, why := 1<<10, ""
	switch method, main := r.Proposals[0].Method, r.Modes[0] == policy.Main; {
	case method == isakmp.AuthPSK:
	case method == isakmp.AuthXAuthInitPSK || method == isakmp.AuthXAuthRespPSK:
		if most, why = 3, "then XAUTH\n"; main {
			most = 6
		}
	default:
		if most, why = 1, "then certificates\n"; main {
			most = 4
		}
	}
	var b strings.Builder
	for line := range strings.Lines(transcript) {
		if !strings.HasPrefix(line, "  racoon>peer") && !strings.HasPrefix(line, "  peer>racoon") {
			continue
		}
		if most--; most < 0 {
			return b.String() + "  " + why
		}
		b.WriteString(cookies.ReplaceAllString(line, ""))
	}
	return b.String()
}

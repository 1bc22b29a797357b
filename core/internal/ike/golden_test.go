package ike_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

var update = flag.Bool("update", false, "rewrite the golden transcripts")

// TestGoldenTranscripts plays testdata/*.txt. A file is blocks of commands, a line
// of dashes, and what the world said, up to the next blank line. Behind the last
// block the world is shut down and must hold nothing: no SA, no secret.
func TestGoldenTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s := newStage()
			got := s.play(t, string(want))
			s.close(t)
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s (-want +got):\n%s", f, d)
			}
		})
	}
}

// stage is a world and the words to play with it.
type stage struct {
	w       *iketest.World
	commits map[*iketest.Host]bool
	opts    iketest.Options

	behind  map[string]bool // hosts that will be behind a NAT
	forward []uint16        // the ports it lets in
}

func newStage() *stage {
	w := iketest.New(1)
	w.KeepSecrets()
	s := &stage{w: w, commits: map[*iketest.Host]bool{}}
	keep := keepSecrets(w)
	w.OnStep = func(m *iketest.Machine) {
		if keep(m); s.commits[m.Host] {
			ike.SetCommit(m.Peer)
		}
	}
	return s
}

// play answers every block of a file.
func (s *stage) play(t *testing.T, file string) string {
	var out strings.Builder
	var block []string
	inOutput := false
	for line := range strings.Lines(file) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inOutput && line == "":
			inOutput = false
			out.WriteString("\n")
		case inOutput:
		case line == "----":
			out.WriteString("----\n" + s.run(t, block))
			block, inOutput = nil, true
		default:
			out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				block = append(block, line)
			}
		}
	}
	if inOutput {
		out.WriteString("\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func (s *stage) run(t *testing.T, block []string) string {
	for _, line := range block {
		words := strings.Fields(line)
		do, ok := commands[words[0]]
		if !ok {
			t.Fatalf("unknown command %q", line)
		}
		do(t, s, words[1:])
	}
	if err := s.w.Err(); err != nil {
		t.Errorf("%v", err)
	}
	if s.w.Log == nil {
		return ""
	}
	return s.w.Log.Take()
}

// close ends the world and looks for what is left of it.
func (s *stage) close(t *testing.T) {
	if s.w.Quiet() {
		s.w.CheckWiped("KEYMAT", "g^xy", "private key")
	}
	s.w.NoFaults()
	for _, h := range s.w.Hosts {
		h.Kernel.Down, h.AuthDown = false, false
		h.Shutdown()
	}
	s.w.Run(time.Hour)
	s.w.CheckEmpty()
	s.w.CheckWiped()
	if err := s.w.Err(); err != nil {
		t.Errorf("after shutdown: %v", err)
	}
}

// host is a host by its name.
func (s *stage) host(t *testing.T, name string) *iketest.Host {
	for _, h := range s.w.Hosts {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no host %q", name)
	return nil
}

// other is the host at the other end: b of a, a of all others.
func (s *stage) other(h *iketest.Host) *iketest.Host {
	if h == s.w.Hosts[0] {
		return s.w.Hosts[1]
	}
	return s.w.Hosts[0]
}

var commands = map[string]func(t *testing.T, s *stage, args []string){
	// world OPTION...: hosts a and b, connected
	"world": func(t *testing.T, s *stage, args []string) {
		s.opts = options(t, s.opts, args)
		a, b := s.w.AddHost("a"), s.w.AddHost("b")
		for _, h := range s.w.Hosts {
			if s.behind[h.Name] {
				h.Behind(s.w.AddNAT())
				h.NAT.Forward(h, s.forward...)
			}
		}
		s.w.Connect(a, b, s.opts)
		s.w.Log = iketest.NewTranscript()
	},
	// behind HOST [PORT...]: the host will be behind a NAT that lets the ports in
	"behind": func(t *testing.T, s *stage, args []string) {
		if s.behind == nil {
			s.behind = map[string]bool{}
		}
		s.behind[args[0]] = true
		for _, p := range args[1:] {
			s.forward = append(s.forward, uint16(number(t, p)))
		}
	},
	// nat HOST forgets|moves: its NAT gives out new ports, or has a new address too
	"nat": func(t *testing.T, s *stage, args []string) {
		box := s.host(t, args[0]).NAT
		map[string]func(){"forgets": box.Forget, "moves": box.Move}[args[1]]()
	},
	// mapping HOST ADDRESS:PORT: ESP of its peer comes from there
	"mapping": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		m := h.HasPeer(s.other(h))
		m.Post(ike.Mapping{SPI: m.Status(s.w.Now()).IPsec[0].SPIIn, Remote: netip.MustParseAddrPort(args[1])})
	},
	// configure HOST OPTION...: its side of the connection differs
	"configure": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.Configure(s.other(h), options(t, s.opts, args[1:]))
	},
	"fault": func(t *testing.T, s *stage, args []string) {
		n := number(t, args[1])
		switch args[0] {
		case "lose":
			s.w.Fault(iketest.Lose(n))
		case "lose-every":
			s.w.Fault(iketest.LoseEvery(n))
		case "cut":
			s.w.Fault(iketest.Cut(n))
		case "duplicate":
			s.w.Fault(iketest.Duplicate(n))
		case "reorder":
			s.w.Fault(iketest.Reorder(n))
		case "corrupt-hash":
			s.w.Fault(iketest.CorruptHash(n))
		case "corrupt":
			s.w.Fault(iketest.Corrupt(n, number(t, args[2])))
		case "mutate": // MESSAGE OFFSET MASK
			s.w.Fault(iketest.Mutate(n, number(t, args[2]), byte(number(t, args[3]))))
		case "ke-zero":
			s.w.Fault(iketest.ZeroKE(n))
		default:
			t.Fatalf("unknown fault %v", args)
		}
	},
	// carry HOST [lost]: a packet to the other
	"carry": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.Carry(s.other(h), 100, len(args) > 1)
	},
	"repair": func(t *testing.T, s *stage, _ []string) { s.w.NoFaults() },
	"kernel": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		switch args[1] {
		case "refuses":
			h.Kernel.RefuseInstalls = number(t, args[2])
		case "dies":
			h.Kernel.Die(duration(t, args[2]))
		case "loses-one": // SA, inbound, of a protocol
			for _, key := range h.Kernel.Keys() {
				if key.Dst == h.Addr && strings.HasPrefix(h.Kernel.Name(key), args[2]) {
					h.Kernel.Lose(key)
					return
				}
			}
			t.Fatalf("no SA of %s", args[2])
		case "loses": // every SA
			h.Kernel.LoseAll()
		}
	},
	// net HOST PREFIX: the host comes to have another network behind it, unknown to the peer
	"net": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		out, _ := h.Policy(s.other(h))
		h.SPD.Remove(out.Key)
		h.Net = netip.MustParsePrefix(args[1])
		h.Configure(s.other(h), s.opts)
	},
	// commits HOST: it sets the commit bit in message 2 of quick mode, of which N is the number
	"commits": func(t *testing.T, s *stage, args []string) {
		s.commits[s.host(t, args[0])] = true
		for _, n := range args[1:] {
			s.w.Fault(iketest.Mutate(number(t, n), 19, byte(isakmp.FlagCommit)))
		}
	},
	// no-policies HOST: it has none but those it generates
	"no-policies": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.SPD = spd.DB{}
	},
	// one-mode HOST...: complex_bundle off
	"one-mode": func(t *testing.T, s *stage, args []string) {
		for _, name := range args {
			h := s.host(t, name)
			c := *h.Config
			c.ComplexBundle = false
			h.Config = &c
		}
	},
	"no-key": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.PSK[s.other(h).Addr] = nil
	},
	// soft-expire HOST...: the soft lifetime of the SAs each sends with runs out
	"soft-expire": func(t *testing.T, s *stage, args []string) {
		for _, name := range args {
			h := s.host(t, name)
			out := h.Kernel.Outbound(s.other(h).Outside())
			h.HasPeer(s.other(h)).Post(ike.Expire{Dst: out.Dst, Proto: out.Proto, SPI: out.SPI})
		}
	},
	// keep-up HOST [nothing]: its SAs are to be there without anybody asking
	"keep-up": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		if len(args) > 1 {
			h.Peer(s.other(h)).Post(ike.KeepUp{})
		} else {
			h.KeepUp(s.other(h))
		}
	},
	// wear HOST...: for each its ISAKMP SA is so old that it is to be renewed
	"wear": func(t *testing.T, s *stage, args []string) {
		for _, name := range args {
			m := s.host(t, name).HasPeer(s.other(s.host(t, name)))
			ike.Wear(m.Peer, s.w.Now())
			m.Post(ike.Wake{})
		}
	},
	// reload HOST OPTION...: configure, and its machine is told
	"reload": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.Configure(s.other(h), options(t, s.opts, args[1:]))
		h.Peer(s.other(h)).Post(ike.Reconfigure{Config: policy.NewCommon(h.Config), Remote: h.Config.Remotes[0]})
	},
	// soft-expire-all HOST: that of every SA it has
	"soft-expire-all": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		for _, key := range h.Kernel.Keys() {
			h.Peer(s.other(h)).Post(ike.Expire{Dst: key.Dst, Proto: key.Proto, SPI: key.SPI})
		}
	},
	"auth": func(t *testing.T, s *stage, args []string) { s.host(t, args[0]).AuthDown = args[1] == "down" },
	"replay": func(t *testing.T, s *stage, args []string) {
		if !s.w.Net.Replay(number(t, args[0])) {
			t.Fatalf("no message %s to replay", args[0])
		}
	},
	// forge-delete HOST: a delete in clear under the right cookies, as if from the other
	"forge-delete": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		st := h.Peer(s.other(h)).Status(s.w.Now()).ISAKMP[0]
		d := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPISize: 16, SPIs: [][]byte{slices.Concat(st.CkyI[:], st.CkyR[:])}}
		s.w.Net.Inject(s.other(h), h, isakmp.AppendMessage(nil, isakmp.Header{CkyI: st.CkyI, CkyR: st.CkyR, Version: isakmp.Version1,
			Exchange: isakmp.Informational, MessageID: 0x12345678}, []isakmp.Payload{{Type: isakmp.PayloadD, Body: d.Append(nil)}}))
	},
	"acquire": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.Acquire(s.other(h))
	},
	// forge-notify HOST: a refusal in clear to a host's message 1, as if from the other
	"forge-notify": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		st := h.Peer(s.other(h)).Status(s.w.Now()).Exchanges[0]
		n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyNoProposalChosen}
		s.w.Net.Inject(s.other(h), h, isakmp.AppendMessage(nil, isakmp.Header{CkyI: st.CkyI, CkyR: st.CkyR, Version: isakmp.Version1,
			Exchange: isakmp.Informational, MessageID: 0x12345678}, []isakmp.Payload{{Type: isakmp.PayloadN, Body: n.Append(nil)}}))
	},
	"establish": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.Establish(s.other(h), slices.Contains(args, "isakmp"))
	},
	"delete": func(t *testing.T, s *stage, args []string) {
		h := s.host(t, args[0])
		h.Delete(s.other(h), slices.Contains(args, "isakmp"), slices.Contains(args, "ipsec"))
	},
	"shutdown": func(t *testing.T, s *stage, args []string) { s.host(t, args[0]).Shutdown() },
	"crash":    func(t *testing.T, s *stage, args []string) { s.host(t, args[0]).Crash() },
	"run":      func(t *testing.T, s *stage, args []string) { s.w.Run(duration(t, args[0])) },
	// quiet DURATION: time passes; nothing so far in this block is written down
	"quiet": func(t *testing.T, s *stage, args []string) {
		s.w.Run(duration(t, args[0]))
		s.w.Log.Take()
	},
	"show": func(t *testing.T, s *stage, _ []string) { s.w.Log.Put(s.show()) },
}

// show is what both ends know, and what their kernels have.
func (s *stage) show() string {
	var b strings.Builder
	for _, h := range s.w.Hosts {
		fmt.Fprintf(&b, "%s:\n", h.Name)
		for _, m := range h.Machines {
			st := m.Status(s.w.Now())
			for _, sa := range st.ISAKMP {
				fmt.Fprintf(&b, "  isakmp %v:%v %s %s-%s-%s initiator=%v\n", sa.CkyI, sa.CkyR, sa.PeerID, sa.Encryption, sa.Hash, sa.Group, sa.Initiator)
			}
			for _, q := range st.IPsec {
				fmt.Fprintf(&b, "  ipsec %08x/%08x %s %s initiator=%v outbound=%v replaced=%v\n", q.SPIIn, q.SPIOut, q.Encryption, q.Auth, q.Initiator, q.Outbound, q.Replaced)
			}
			for _, x := range st.Exchanges {
				fmt.Fprintf(&b, "  %v step %d waiting for %s\n", x.Exchange, x.Step, x.Waiting)
			}
		}
		for _, g := range h.Kernel.Generated {
			for _, dir := range []spd.Direction{spd.Out, spd.In, spd.Fwd} {
				for key := range g.Policies {
					if key.Dir == dir {
						fmt.Fprintf(&b, "  generated %v\n", key)
					}
				}
			}
		}
		for _, key := range h.Kernel.Keys() {
			fmt.Fprintf(&b, "  kernel %s larval=%v\n", h.Kernel.Name(key), h.Kernel.SAs[key].Larval)
		}
		for _, seq := range h.Kernel.AcquireSeqs() {
			fmt.Fprintf(&b, "  acquire %d %s\n", seq, h.Kernel.Acquires[seq])
		}
	}
	return b.String()
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var proposals = map[string]policy.Phase1Proposal{
	"aes128-sha256-modp2048": iketest.AES128SHA256MODP2048,
	"aes128-sha256-modp3072": iketest.Proposal(oakley.AES, 128, oakley.SHA256, oakley.MODP3072),
	"3des-sha1-modp1024":     iketest.TripleDESSHA1MODP1024,
	"aes128-sha256-x25519":   iketest.AES128SHA256X25519,
	"aes256-sha384-ecp384":   iketest.Proposal(oakley.AES, 256, oakley.SHA384, oakley.ECP384),
}

// options reads words like "proposal=a,b" "pfs=31" "transport" "psk=one,two".
func options(t *testing.T, o iketest.Options, words []string) iketest.Options {
	for _, w := range words {
		key, val, _ := strings.Cut(w, "=")
		switch key {
		case "proposal":
			o.Proposals = nil
			for _, name := range strings.Split(val, ",") {
				p, ok := proposals[name]
				if !ok {
					t.Fatalf("unknown proposal %q", name)
				}
				o.Proposals = append(o.Proposals, p)
			}
		case "mode":
			o.Modes = nil
			for _, name := range strings.Split(val, ",") {
				m, ok := map[string]policy.ExchangeMode{"main": policy.Main, "aggressive": policy.Aggressive, "base": policy.Base}[name]
				if !ok {
					t.Fatalf("unknown exchange mode %q", name)
				}
				o.Modes = append(o.Modes, m)
			}
		case "pfs":
			o.PFS = oakley.Group(number(t, val))
		case "weak":
			o.Weak = true
		case "natt":
			o.NATTraversal = map[string]policy.Toggle{"off": policy.Off, "on": policy.On, "force": policy.Force}[val]
		case "transport":
			o.Transport = true
		case "bundle": // the innermost first: "ipcomp+esp"
			o.Protos = nil
			for _, name := range strings.Split(val, "+") {
				o.Protos = append(o.Protos, map[string]uint8{"esp": 50, "ah": 51, "ipcomp": 108}[name])
			}
		case "generate":
			o.Generate = map[string]policy.Level{"require": policy.GenerateRequire, "unique": policy.GenerateUnique}[val]
		case "sainfo-anonymous":
			o.AnySAInfo = true
		case "kb":
			o.IPsecKB = uint64(number(t, val))
		case "esp":
			o.Encryption = map[string][]policy.Algorithm{"3des": {{ID: isakmp.ESP3DES}}, "aes256": {{ID: isakmp.ESPAESCBC, KeyBits: 256}},
				"aes128gcm16": {{ID: isakmp.ESPAESGCM16, KeyBits: 128}}}[val]
		case "auth":
			o.Auth = []policy.Algorithm{{ID: uint16(number(t, val))}}
		case "psk":
			o.PSK = strings.Split(val, ",")
		case "lifetime":
			o.IPsecLife = duration(t, val)
		case "isakmp-lifetime":
			o.ISAKMPLife = duration(t, val)
		case "check":
			o.Check = map[string]policy.Check{"strict": policy.Strict, "obey": policy.Obey, "claim": policy.Claim, "exact": policy.Exact}[val]
		case "frag":
			to := map[string]policy.Toggle{"off": policy.Off, "on": policy.On, "force": policy.Force}[val]
			o.Remote = append(o.Remote, func(r *policy.Remote) { r.IKEFrag = to })
		case "dpd": // delay, retry, maxfail, and perhaps the algorithm
			v := strings.Split(val, "/")
			delay, retry, maxfail := duration(t, v[0]), duration(t, v[1]), number(t, v[2])
			o.Remote = append(o.Remote, func(r *policy.Remote) {
				r.DPD, r.DPDDelay, r.DPDRetry, r.DPDMaxFail, r.DPDAlgorithm = true, delay, retry, maxfail, "default"
				if len(v) > 3 {
					r.DPDAlgorithm = v[3]
				}
			})
		case "on-loss":
			to := map[string]policy.Loss{"down": policy.StayDown, "restart": policy.Restart}[val]
			o.Remote = append(o.Remote, func(r *policy.Remote) { r.OnLoss = to })
		case "nonce":
			size := number(t, val)
			o.Remote = append(o.Remote, func(r *policy.Remote) { r.NonceSize = size })
		case "rekey":
			o.Rekey = map[string]policy.Toggle{"off": policy.Off, "on": policy.On, "force": policy.Force}[val]
		case "anonymous":
			o.Anonymous = true
		case "passive":
			o.Passive = true
		case "peer-id":
			o.PeerIDs = []policy.Identity{{Type: 2, Data: []byte(val), Text: val}}
		default:
			t.Fatalf("unknown option %q", w)
		}
	}
	return o
}

// keepSecrets makes the world remember the keys inside the machines.
func keepSecrets(w *iketest.World) func(*iketest.Machine) {
	return func(m *iketest.Machine) {
		for name, s := range ike.Secrets(m.Peer) {
			w.Keep(name, s)
		}
	}
}

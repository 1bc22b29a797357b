// Package scenario reads the lab's scenarios: one directory each, with a
// scenario.hcl that says what two gateways do and what must be true of them,
// and the templates of their configuration files. It knows nothing of kernels,
// guests or processes.
//
// The topology is that of place.go.
package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Scenario is one experiment, with every variable of its matrix settled.
type Scenario struct {
	Name string // directory, and the values of its matrix row
	Dir  string // where scenario.hcl is

	Description string            `hcl:"description"`
	Tags        []string          `hcl:"tags,optional"`
	TimeLimit   string            `hcl:"time_limit,optional"` // default 180s
	Family      int               `hcl:"family,optional"`     // 4 or 6; default 4
	Mode        string            `hcl:"mode,optional"`       // tunnel or transport; default tunnel
	IKE         string            `hcl:"ike,optional"`        // phase 1 proposals, e.g. aes128-sha256-modp2048
	ESP         string            `hcl:"esp,optional"`        // phase 2 proposals, e.g. aes128-sha256; of AH, its hash
	Protocols   string            `hcl:"protocols,optional"`  // of the policies, inside first, e.g. ipcomp+esp+ah; default esp
	PSK         string            `hcl:"psk,optional"`
	Netem       string            `hcl:"netem,optional"`  // of both directions, as tc-netem(8) spells it
	Params      map[string]string `hcl:"params,optional"` // free words for the templates
	Left        End               `hcl:"left,block"`
	Right       End               `hcl:"right,block"`
	Left2       *End              `hcl:"left2,block"` // a second peer of right
	Steps       []Step            `hcl:"step,block"`
	Expect      Expect            `hcl:"expect,block"`
	XFRMOnly    string            `hcl:"xfrm_only,optional"` // why racoon cannot have another kernel back end here

	timeLimit time.Duration
}

// End is one gateway. What it leaves out is taken from the scenario.
type End struct {
	Daemon string            `hcl:"daemon"`          // racoon, racoon-pfkey, strongswan, libreswan or none
	NAT    string            `hcl:"nat,optional"`    // masquerade or forward: behind a NAT box; left2 also: shared, behind left's
	IKE    string            `hcl:"ike,optional"`    // instead of the scenario's
	ESP    string            `hcl:"esp,optional"`    // instead of the scenario's
	PSK    string            `hcl:"psk,optional"`    // instead of the scenario's
	Policy *bool             `hcl:"policy,optional"` // install kernel policies; default: for racoon, which has no other source
	Start  *bool             `hcl:"start,optional"`  // start the daemon before the first step; default yes
	Params map[string]string `hcl:"params,optional"` // over the scenario's

	Kernel string // racoon's back end, xfrm or pfkey, by what Daemon was called; empty for another
}

// Step does one thing: exactly one of its actions is set.
type Step struct {
	Title  string `hcl:"title,label"`
	At     string `hcl:"at,optional"`     // an end, or END-nat, its NAT box; empty: all ends
	Within string `hcl:"within,optional"` // try again until it is so: as long as a slow machine may take; default: once
	Show   bool   `hcl:"show,optional"`   // part of what a demonstration prints

	Run     *string        `hcl:"run,optional"` // a shell command
	Ping    *Ping          `hcl:"ping,block"`
	Send    *Send          `hcl:"send,block"`
	Log     []string       `hcl:"log,optional"`       // the daemon's log since its start matches all of these
	SAs     *int           `hcl:"sas,optional"`       // this many usable SAs in the kernel
	Procs   map[string]int `hcl:"processes,optional"` // this many processes of each name, "*" being anything
	Kill    *string        `hcl:"kill,optional"`      // SIGKILL to every process of this name, "*" being anything
	Start   *bool          `hcl:"start,optional"`
	Stop    *bool          `hcl:"stop,optional"`
	Netem   *string        `hcl:"netem,optional"`
	Rebind  *bool          `hcl:"rebind,optional"`  // the NAT box forgets its mappings and gives others from now on
	Table   *bool          `hcl:"table,optional"`   // racoonctl show-sa and the kernel list the same SPIs
	Capture *bool          `hcl:"capture,optional"` // says what has been seen on the link

	Exit   int      `hcl:"exit,optional"`   // of run
	Match  []string `hcl:"match,optional"`  // of run: each is found in the output
	Absent []string `hcl:"absent,optional"` // of run and log: none is found

	within time.Duration
}

// Ping sends paced ICMP echo requests from one protected address to that of a
// peer. Unless it is repeated by within, the kernel's error counters must not rise.
type Ping struct {
	To       string `hcl:"to,optional"`       // the peer; default right, and left from right
	Count    int    `hcl:"count,optional"`    // default 1
	Interval string `hcl:"interval,optional"` // default 20ms
	Answered string `hcl:"answered,optional"` // all, none or any; default all
	MaxSAs   int    `hcl:"max_sas,optional"`  // usable SAs that either end may have meanwhile; 0: any number
	Lost     int    `hcl:"lost,optional"`     // how many of all may be missing: what a foreign peer loses by itself
	Size     int    `hcl:"size,optional"`     // octets of data, which IPComp makes less of; default 56, too few for it

	interval time.Duration
}

// Send is one UDP datagram to the other end.
type Send struct {
	Port int    `hcl:"port,optional"` // default 500
	Hex  string `hcl:"hex"`           // white space is ignored

	payload []byte
}

// Expect is what must be true after the last step, besides what is checked in
// every scenario (README.md lists it).
type Expect struct {
	SAs     *int     `hcl:"sas,optional"`       // usable SAs at each end, with each of its peers
	ESP     bool     `hcl:"esp,optional"`       // ESP, or what the scenario's protocols are, seen both ways on the link, and counted by all kernels
	UDP     *bool    `hcl:"udp_encap,optional"` // that ESP was in UDP, all of it; or none of it. Default: as there is a NAT box or none
	Frag    *bool    `hcl:"ike_frag,optional"`  // IKE fragments were seen both ways on the link; or none were
	SPIs    int      `hcl:"spis,optional"`      // at least this many different ones seen each way on the link
	Remain  int      `hcl:"remain,optional"`    // SAs of others at each end that outlive the daemons
	MayRise []string `hcl:"may_rise,optional"`  // counters of /proc/net/xfrm_stat
	Fails   []string `hcl:"fails,optional"`     // for the lab's own proof: these checks, and no others, must fail
}

// TimeLimit of the whole scenario, after which it is cut off.
func (s *Scenario) Limit() time.Duration { return s.timeLimit }

// Deadline of a step's repetition; zero means it is tried once.
func (s *Step) Deadline() time.Duration { return s.within }

// Pace of a ping.
func (p *Ping) Pace() time.Duration { return p.interval }

// Payload of a datagram.
func (s *Send) Payload() []byte { return s.payload }

// Has reports whether the scenario carries one of the tags.
func (s *Scenario) Has(tags []string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(s.Tags, t) })
}

// Needs reports whether an end runs the daemon.
func (s *Scenario) Needs(daemon string) bool {
	return slices.ContainsFunc(s.Ends(), func(e string) bool { return s.End(e).Daemon == daemon })
}

// bundles of protocols, inside first: who encrypts compresses before and authenticates after (RFC 2401 §4.3, RFC 3173 §2).
var bundles = []string{"esp", "ah", "esp+ah", "ipcomp", "ipcomp+esp", "ipcomp+ah", "ipcomp+esp+ah"}

// Uses reports whether the policies ask for the protocol.
func (s *Scenario) Uses(protocol string) bool {
	return slices.Contains(strings.Split(s.Protocols, "+"), protocol)
}

// settle fills in the defaults and refuses what cannot be meant.
func (s *Scenario) settle() error {
	setDefault(&s.Family, 4)
	setDefault(&s.Mode, "tunnel")
	setDefault(&s.Protocols, "esp")
	setDefault(&s.IKE, "aes128-sha256-modp2048")
	setDefault(&s.ESP, "aes128-sha256")
	setDefault(&s.PSK, "a shared secret of the lab")
	setDefault(&s.TimeLimit, "180s")
	var err error
	if s.timeLimit, err = time.ParseDuration(s.TimeLimit); err != nil {
		return fmt.Errorf("time_limit: %w", err)
	}
	if s.Family != 4 && s.Family != 6 {
		return fmt.Errorf("family is %d, not 4 or 6", s.Family)
	}
	if err := oneOf("mode", s.Mode, "tunnel", "transport"); err != nil {
		return err
	}
	if err := oneOf("protocols", s.Protocols, bundles...); err != nil {
		return err
	}
	for _, name := range s.Ends() {
		if err := s.End(name).settle(s, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	nat := len(s.Boxes()) > 0
	if nat && s.Family != 4 {
		return fmt.Errorf("family is %d: there is no NAT of IPv6 here", s.Family)
	}
	if s.Left2 != nil && s.Left2.NAT == Shared && s.Mode != "tunnel" {
		return fmt.Errorf("behind one NAT box the mode must be tunnel: policies cannot tell the hosts of the other apart")
	}
	if s.Expect.UDP == nil {
		s.Expect.UDP = &nat
	}
	for i := range s.Steps {
		if err := s.Steps[i].settle(s); err != nil {
			return fmt.Errorf("step %q: %w", s.Steps[i].Title, err)
		}
	}
	return nil
}

func (e *End) settle(s *Scenario, name string) error {
	e.Daemon, e.Kernel = daemonAndKernel(e.Daemon)
	setDefault(&e.IKE, s.IKE)
	setDefault(&e.ESP, s.ESP)
	setDefault(&e.PSK, s.PSK)
	yes, policy := true, e.Daemon == "racoon"
	if e.Start == nil {
		e.Start = &yes
	}
	if e.Policy == nil {
		e.Policy = &policy
	}
	merged := make(map[string]string)
	for _, from := range []map[string]string{s.Params, e.Params} {
		for k, v := range from {
			merged[k] = v
		}
	}
	e.Params = merged
	if _, err := ParseIKE(e.IKE); err != nil {
		return err
	}
	if esp, err := ParseESP(e.ESP); err != nil {
		return err
	} else if s.Uses("ah") && esp.Auth == "" {
		return fmt.Errorf("esp is %q, which has no hash for AH", e.ESP)
	}
	if foreign := e.Daemon != "racoon" && e.Daemon != "none"; foreign && (s.Protocols == "ipcomp" || s.Uses("esp") && s.Uses("ah")) {
		return fmt.Errorf("%s has one of ESP and AH, which is %q", e.Daemon, s.Protocols)
	}
	if e.Kernel == PFKey {
		if why := s.without(PFKey); why != "" {
			return fmt.Errorf("kernel back end pfkey: %s", why)
		}
	}
	nats := []string{"", Masquerade, Forward}
	if name == "left2" && s.Left.NAT != "" {
		nats = append(nats, Shared)
	}
	if err := oneOf("nat", e.NAT, nats...); err != nil {
		return err
	}
	return oneOf("daemon", e.Daemon, "racoon", "strongswan", "libreswan", "none")
}

func (s *Step) settle(in *Scenario) (err error) {
	box := slices.Contains(in.Boxes(), s.At)
	if s.At != "" && !box {
		if err := oneOf("at", s.At, slices.Concat(in.Ends(), in.Boxes())...); err != nil {
			return err
		}
	}
	if box != (s.Rebind != nil) && s.Run == nil && s.Netem == nil {
		return fmt.Errorf("at a NAT box there is rebind, run and netem, and rebind nowhere else")
	}
	actions := 0
	for _, set := range []bool{s.Run != nil, s.Ping != nil, s.Send != nil, s.Log != nil, s.SAs != nil, s.Procs != nil,
		s.Kill != nil, s.Start != nil, s.Stop != nil, s.Netem != nil, s.Rebind != nil, s.Table != nil, s.Capture != nil} {
		if set {
			actions++
		}
	}
	if actions != 1 {
		return fmt.Errorf("has %d actions, want exactly one", actions)
	}
	if s.Within != "" {
		if s.within, err = time.ParseDuration(s.Within); err != nil {
			return fmt.Errorf("within: %w", err)
		}
	}
	for _, expr := range slices.Concat(s.Log, s.Match, s.Absent) {
		if _, err := regexp.Compile(expr); err != nil {
			return err
		}
	}
	if s.Ping != nil {
		return s.Ping.settle(in, s.At)
	}
	if s.Send != nil {
		return s.Send.settle(s.At)
	}
	return nil
}

func (p *Ping) settle(in *Scenario, at string) (err error) {
	setDefault(&p.Count, 1)
	setDefault(&p.Interval, "20ms")
	setDefault(&p.Answered, "all")
	if at == "" {
		return fmt.Errorf("ping needs at: which end sends?")
	}
	peers := in.Peers(at)
	setDefault(&p.To, peers[0])
	if err := oneOf("ping: to", p.To, peers...); err != nil {
		return err
	}
	if p.interval, err = time.ParseDuration(p.Interval); err != nil {
		return fmt.Errorf("ping: interval: %w", err)
	}
	if p.Size != 0 && p.Size < 200 {
		return fmt.Errorf("ping: size is %d: headers would hide whether it is compressed", p.Size)
	}
	if p.Lost != 0 && p.Answered != "all" {
		return fmt.Errorf("ping: lost goes with answered = \"all\"")
	}
	return oneOf("answered", p.Answered, "all", "none", "any")
}

func (s *Send) settle(at string) (err error) {
	setDefault(&s.Port, 500)
	if at == "" {
		return fmt.Errorf("send needs at: which end sends?")
	}
	s.payload, err = parseHex(s.Hex)
	return err
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func oneOf(what, is string, allowed ...string) error {
	if slices.Contains(allowed, is) {
		return nil
	}
	return fmt.Errorf("%s is %q, not one of %s", what, is, strings.Join(allowed, ", "))
}

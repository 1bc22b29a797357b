package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const small = `
description = "two gateways"
left  { daemon = "strongswan" }
right { daemon = "strongswan" }
expect {}
`

func TestDefaults(t *testing.T) {
	all, err := parse("small", "scenario.hcl", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	got := []any{s.Name, s.Family, s.Mode, s.IKE, s.Left.ESP, s.Limit(), *s.Left.Start, *s.Left.Policy}
	want := []any{"small", 4, "tunnel", "aes128-sha256-modp2048", "aes128-sha256", 180 * time.Second, true, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l, r := s.Place("left"), s.Place("right")
	if l.Protected.String() != "10.1.0.1/32" || r.Address.String() != "192.0.2.2" {
		t.Errorf("left protects %s, right is %s", l.Protected, r.Address)
	}
}

func TestTransportModeProtectsTheLink(t *testing.T) {
	all, err := parse("x", "scenario.hcl", []byte("mode = \"transport\"\nfamily = 6\n"+small))
	if err != nil {
		t.Fatal(err)
	}
	l, r := all[0].Place("left"), all[0].Place("right")
	if l.Protected.String() != "2001:db8::1/128" || r.Protected.String() != "2001:db8::2/128" || l.Inner.IsValid() {
		t.Errorf("places %+v, %+v", l, r)
	}
}

func TestBehindNAT(t *testing.T) {
	all, err := parse("x", "scenario.hcl", []byte(`
description = "three gateways, all behind NAT"
left   {
  daemon = "racoon"
  nat    = "masquerade"
}
left2  {
  daemon = "racoon"
  nat    = "shared"
}
right  {
  daemon = "strongswan"
  nat    = "forward"
}
expect { esp = true }
`))
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	for _, tt := range []struct{ what, got, want string }{
		{"left to itself", s.Place("left").Address.String(), "192.168.1.2"},
		{"left from outside", s.Seen("left").Address.String(), "192.0.2.1"},
		{"left2 to itself", s.Place("left2").Address.String(), "192.168.1.3"},
		{"left2 from outside", s.Seen("left2").Address.String(), "192.0.2.1"},
		{"right to itself", s.Place("right").Address.String(), "192.168.2.2"},
		{"right from outside", s.Seen("right").Address.String(), "192.0.2.2"},
		{"what left2 protects", s.Seen("left2").Protected.String(), "10.3.0.1/32"},
		{"the NAT boxes", strings.Join(s.Boxes(), " "), "left-nat right-nat"},
		{"the peers of right", strings.Join(s.Peers("right"), " "), "left left2"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, tt.got, tt.want)
		}
	}
	if !*s.Expect.UDP {
		t.Error("ESP is not expected to be in UDP")
	}
}

func TestMatrixMakesOneScenarioOfEachRow(t *testing.T) {
	all, err := parse("m", "scenario.hcl", []byte(`
description = "a ${var.mode} of IPv${var.family}"
tags        = ["always"]
matrix {
  table = <<-T
    tags       mode       family
    core,quick tunnel     4
    core       transport  6
  T
  cross = <<-T
    mode:   tunnel transport
    family: 4 6
  T
  cross_tags = ["full"]
}
mode   = var.mode
family = var.family
left  { daemon = "racoon" }
right { daemon = "none" }
step "ping" {
  at = other("right")
  ping { count = 3 }
}
expect {}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, strings.Join([]string{s.Name, s.Description, strings.Join(s.Tags, ","), s.Steps[0].At}, "|"))
	}
	want := []string{
		"m/tunnel_4|a tunnel of IPv4|always,core,quick|left",
		"m/transport_6|a transport of IPv6|always,core|left",
		"m/tunnel_6|a tunnel of IPv6|always,full|left",
		"m/transport_4|a transport of IPv4|always,full|left",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scenarios (-want +got):\n%s", diff)
	}
}

func TestMistakesAreRefused(t *testing.T) {
	step := func(body string) string { return small + "step \"s\" {\n" + body + "\n}\n" }
	for _, tt := range []struct{ name, text, want string }{
		{"an unknown attribute", small + "colour = 1\n", "colour"},
		{"an unknown daemon", strings.Replace(small, "strongswan", "pluto", 1), `daemon is "pluto"`},
		{"an unknown mode", small + `mode = "beet"`, `mode is "beet"`},
		{"a family of five", small + `family = 5`, "family is 5"},
		{"an algorithm nobody knows", small + `ike = "rot13-sha256-modp2048"`, "rot13"},
		{"a phase 1 proposal without a group", small + `ike = "aes128-sha256"`, "cipher-hash-group"},
		{"ESP without authentication", small + `esp = "aes128"`, `"aes128"`},
		{"a bundle in another order", small + `protocols = "ah+esp"`, `protocols is "ah+esp"`},
		{"a bundle that the peer does not have", small + `protocols = "esp+ah"`, "one of ESP and AH"},
		{"AH of an algorithm without a hash", small + "protocols = \"ah\"\nesp = \"aes128gcm16\"", "no hash for AH"},
		{"a ping too small to be compressed", step("at = \"left\"\nping { size = 100 }"), "size is 100"},
		{"a step that does nothing", step(`at = "left"`), "0 actions"},
		{"a step that does two things", step("run = \"true\"\nsas = 2"), "2 actions"},
		{"a ping from both ends", step("ping {}"), "which end"},
		{"an end that is not there", step("at = \"middle\"\nrun = \"true\""), `at is "middle"`},
		{"a second client that is not there", step("at = \"left2\"\nrun = \"true\""), `at is "left2"`},
		{"a NAT box that is not there", step("at = \"left-nat\"\nrun = \"true\""), `at is "left-nat"`},
		{"a rebinding at no NAT box", step("at = \"left\"\nrebind = true"), "at a NAT box"},
		{"a ping from a NAT box", strings.Replace(step("at = \"left-nat\"\nping {}"), `{ daemon = "strongswan" }`, "{\ndaemon = \"strongswan\"\nnat = \"forward\"\n}", 1), "at a NAT box"},
		{"a ping to oneself", step("at = \"right\"\nping { to = \"right\" }"), `ping: to is "right"`},
		{"an unknown kind of NAT", strings.Replace(small, `{ daemon = "strongswan" }`, "{\ndaemon = \"none\"\nnat = \"cone\"\n}", 1), `nat is "cone"`},
		{"a shared NAT box that nobody has", small + "left2 {\ndaemon = \"none\"\nnat = \"shared\"\n}", `nat is "shared"`},
		{"NAT of IPv6", "family = 6\n" + strings.Replace(small, `{ daemon = "strongswan" }`, "{\ndaemon = \"none\"\nnat = \"forward\"\n}", 1), "no NAT of IPv6"},
		{"a regular expression that is none", step("run = \"true\"\nmatch = [\"(\"]"), "missing closing"},
		{"a time that is none", step("run = \"true\"\nwithin = \"soon\""), "within"},
		{"a datagram that is not hexadecimal", step("at = \"left\"\nsend { hex = \"xy\" }"), "hex"},
		{"a row with too few columns", small + "matrix { \n table = <<-T\n a b\n 1\n T\n }", "has 1 columns"},
		{"a row that is there twice", small + "matrix { \n table = <<-T\n a\n 1\n 1\n T\n }", "twice"},
		{"a variable without a matrix", small + `mode = var.mode`, "mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("bad", "scenario.hcl", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that has %q", err, tt.want)
			}
		})
	}
}

func TestProposalsInTheWordsOfRacoon(t *testing.T) {
	ike, err := ParseIKE("aes256-sha384-ecp384,3des-sha1-modp1024")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]IKEProposal{{"aes 256", "sha384", "ecp384"}, {"3des", "sha1", "modp1024"}}, ike); diff != "" {
		t.Errorf("phase 1 (-want +got):\n%s", diff)
	}
	for text, want := range map[string]ESPProposal{
		"aes128-sha256":          {"aes 128", "hmac_sha256", ""},
		"aes128-sha256-modp2048": {"aes 128", "hmac_sha256", "modp2048"},
		"aes128gcm16":            {"aes_gcm 128", "", ""},
		"aes256gcm16-x25519":     {"aes_gcm 256", "", "x25519"},
	} {
		got, err := ParseESP(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestKernelBackEnds(t *testing.T) {
	const two = `
description = "two racoons, one of them with kernel-pfkey"
left  { daemon = "racoon-pfkey" }
right { daemon = "racoon" }
expect {}
`
	load := func(text string) *Scenario {
		t.Helper()
		all, err := parse("x", "scenario.hcl", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	kernels := func(s *Scenario) string {
		return s.Left.Daemon + " " + s.Left.Kernel + ", " + s.Right.Daemon + " " + s.Right.Kernel
	}
	s := load(two)
	if got, want := kernels(s), "racoon pfkey, racoon xfrm"; got != want {
		t.Errorf("as the scenario says: %s, want %s", got, want)
	}
	if !s.View("right", "", "").ShortICV {
		t.Error("right does not know that left cuts HMAC-SHA2-256 to 96 bits")
	}
	if why := s.UseKernel(XFRM); why == "" || kernels(s) != "racoon pfkey, racoon xfrm" {
		t.Errorf("with -kernel xfrm: %s (%s)", kernels(s), why)
	}
	sha1 := load("esp = \"aes128-sha1\"\n" + two)
	if sha1.View("left", "", "").ShortICV {
		t.Error("HMAC-SHA1 is 96 bits everywhere")
	}
	foreign := load(strings.Replace(two, "racoon-pfkey", "strongswan", 1))
	if why := foreign.UseKernel(PFKey); why != "" || kernels(foreign) != "strongswan , racoon pfkey" || !foreign.View("left", "", "").ShortICV {
		t.Errorf("with -kernel pfkey: %s (%s)", kernels(foreign), why)
	}
	for text, want := range map[string]string{
		"xfrm_only = \"it is about marks\"":                      "it is about marks",
		"esp = \"aes128gcm16\"":                                  "AES-GCM",
		"protocols = \"ah\"\nleft2 { daemon = \"libreswan\" }\n": "in ESP only",
	} {
		s := load(text + "\n" + strings.Replace(two, "racoon-pfkey", "racoon", 1))
		if why := s.UseKernel(PFKey); !strings.Contains(why, want) || s.Left.Kernel != XFRM {
			t.Errorf("%s: with -kernel pfkey: %s (%s)", text, kernels(s), why)
		}
		if _, err := parse("x", "scenario.hcl", []byte(text+"\n"+two)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that has %q", text, err, want)
		}
	}
}

// TestOwnTemplateWins and the parameters reach it.
func TestOwnTemplateWins(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"common/a.conf":      "common",
		"common/b.conf":      "common {{.Self.Address}} {{.Params.word}}",
		"one/left.a.conf":    "left's own {{.PSK}}",
		"one/scenario.hcl":   small + `params = { word = "said" }`,
		"other/scenario.hcl": small + `params = { wrod = "said" }`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := load(filepath.Join(root, "one/scenario.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for end, want := range map[string][2]string{
		"left":  {"left's own a shared secret of the lab", "common 192.0.2.1 said"},
		"right": {"common", "common 192.0.2.2 said"},
	} {
		dir := t.TempDir()
		if err := all[0].Render(end, all[0].View(end, dir, ""), []string{"a.conf", "b.conf"}); err != nil {
			t.Fatal(err)
		}
		var got [2]string
		for i, f := range []string{"a.conf", "b.conf"} {
			b, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			got[i] = string(b)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", end, diff)
		}
	}
	if _, err := load(filepath.Join(root, "other/scenario.hcl")); err == nil || !strings.Contains(err.Error(), "wrod") {
		t.Errorf("a parameter nobody reads: error %v", err)
	}
}

// TestScenariosOfTheLab loads them all, as the runner does.
func TestScenariosOfTheLab(t *testing.T) {
	all, err := LoadAll("../../scenarios")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, s := range all {
		if names[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		names[s.Name] = true
		for _, end := range s.Ends() {
			files := map[string][]string{"racoon": {"racoon.conf", "psk.txt", "plugins.hcl"},
				"strongswan": {"strongswan.conf", "swanctl.conf"}, "libreswan": {"ipsec.conf", "ipsec.secrets"}}[s.End(end).Daemon]
			if err := s.Render(end, s.View(end, t.TempDir(), "log"), files); err != nil {
				t.Errorf("%s: %s: %v", s.Name, end, err)
			}
		}
	}
}

// TestKernelPFKEYHasItsShare of make full, in every constellation, and the core has some.
func TestKernelPFKEYHasItsShare(t *testing.T) {
	all, err := LoadAll("../../scenarios")
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	who := func(e End) string {
		if e.Kernel != "" {
			return e.Kernel
		}
		return e.Daemon
	}
	for _, s := range all {
		if s.Left.Kernel != PFKey && s.Right.Kernel != PFKey {
			continue
		}
		count["all"]++
		count[who(s.Left)+" "+who(s.Right)]++
		if s.Has([]string{"core"}) {
			count["core"]++
		}
	}
	for what, least := range map[string]int{"all": 30, "core": 4, "pfkey pfkey": 5, "pfkey xfrm": 3, "xfrm pfkey": 3,
		"pfkey strongswan": 3, "strongswan pfkey": 3, "pfkey libreswan": 1, "libreswan pfkey": 1} {
		if count[what] < least {
			t.Errorf("%s: %d scenarios, want at least %d", what, count[what], least)
		}
	}
}

// TestCoreOfInteropHasEveryPair: a fault in how two choices go together is met
// by make test, not only by the whole cross product of make full.
func TestCoreOfInteropHasEveryPair(t *testing.T) {
	all, err := load("../../scenarios/interop/scenario.hcl")
	if err != nil {
		t.Fatal(err)
	}
	type pair struct {
		i, j int
		a, b string
	}
	pairs := func(s *Scenario) (ps []pair) {
		v := strings.Split(strings.TrimPrefix(s.Name, "interop/"), "_")
		for i := range v {
			for j := range i {
				ps = append(ps, pair{i, j, v[i], v[j]})
			}
		}
		return ps
	}
	core := make(map[pair]bool)
	count := 0
	for _, s := range all {
		if s.Has([]string{"core"}) {
			count++
			for _, p := range pairs(s) {
				core[p] = true
			}
		}
	}
	if count < 15 || len(all) != 128 {
		t.Errorf("%d of %d scenarios are core, want at least 15 of 128", count, len(all))
	}
	for _, s := range all {
		for _, p := range pairs(s) {
			if !core[p] {
				t.Errorf("no core scenario has %s with %s", p.a, p.b)
				core[p] = true
			}
		}
	}
}

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	publiccontrol "github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/internal/control"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// daemon answers with what a test puts into it.
type daemon struct {
	statuses []ike.Status
	err      error
	slow     bool // nothing is ever established
	asked    []string
	plan     *policy.Plan
	notices  []notice.Notice
}

func (d *daemon) Statuses(context.Context) ([]ike.Status, error) { return d.statuses, nil }

func (d *daemon) Establish(ctx context.Context, r control.EstablishRequest) error {
	if d.slow {
		<-ctx.Done()
		return ctx.Err()
	}
	d.asked = append(d.asked, fmt.Sprintf("establish %d %v %v %q %v %d", r.What, r.Local, r.Remote, r.Section, r.Selector, r.Proto))
	return d.err
}

func (d *daemon) Delete(_ context.Context, p ike.PeerKey, spi uint32) error {
	d.asked = append(d.asked, fmt.Sprintf("delete %s %#x", p.Block, spi))
	return d.err
}

func (d *daemon) Reload(context.Context) (control.ReloadResult, error) {
	d.asked = append(d.asked, "reload")
	return control.ReloadResult{Generation: 3, Findings: []string{"racoon.conf:1: weak"}, Plan: d.plan}, d.err
}

func (d *daemon) PlanReload(context.Context) (control.ReloadResult, error) {
	return control.ReloadResult{Generation: 2, Findings: []string{"racoon.conf:1: weak"}, Plan: d.plan}, d.err
}

func (d *daemon) Subscribe(fn func(notice.Notice)) func() {
	for _, n := range d.notices {
		fn(n)
	}
	return func() {}
}

func start(t *testing.T, d *daemon) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := control.Listen(policy.AdminSock{Path: socket}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := control.NewServer(d, control.About{Version: "1.0", Started: at})
	go s.Serve(l)
	t.Cleanup(s.Close)
	return socket
}

// run is racoonctl as a shell starts it.
func run(args ...string) (status int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	status = Main(args, strings.NewReader(""), &out, &errOut)
	return status, out.String(), errOut.String()
}

// TestMain settles what racoonctl takes for local time.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func peers() []ike.Status {
	path := ike.Path{Local: netip.MustParseAddrPort("192.0.2.1:500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")}
	sel := policy.Selector{Local: netip.MustParsePrefix("10.1.0.0/16"), Remote: netip.MustParsePrefix("10.2.0.0/24")}
	withPorts := sel
	withPorts.LocalPort, withPorts.Proto = 80, 6
	cookies := func(n byte) isakmp.Cookie { return isakmp.Cookie{n, 2, 3, 4, 5, 6, 7, 8} }
	esp := ike.IPsecStatus{Local: path.Local.Addr(), Remote: path.Remote.Addr(), Selector: sel, Proto: 50, Mode: spd.Tunnel, SPIIn: 0xc0ffee01, SPIOut: 0x0badcafe,
		ReqIDIn: 1, ReqIDOut: 2, Encryption: "aes-128-cbc", Auth: "hmac-sha256", Initiator: true, Outbound: true, Replaced: true, Since: at, Soft: 48 * time.Minute, Hard: time.Hour}
	ah := esp
	esp.HardKB, esp.EncapLocal, esp.EncapRemote = 4608000, 4500, 30001
	ah.Proto, ah.Mode, ah.SPIIn, ah.SPIOut, ah.Selector, ah.Outbound, ah.Replaced = 51, spd.Transport, 0x11, 0x22, withPorts, false, false
	return []ike.Status{
		{Key: ike.PeerKey{Block: "office"}, Path: path,
			ISAKMP: []ike.ISAKMPStatus{{CkyI: cookies(1), CkyR: cookies(9), Path: path, Initiator: true, PeerID: "fqdn \x1b[2J", Encryption: "aes-128-cbc", Hash: "sha256", Group: "modp2048", Since: at, Expire: at.Add(8 * time.Hour), Mode: policy.Aggressive, NAT: "local", DPD: true}},
			IPsec:  []ike.IPsecStatus{esp, ah}},
		{Key: ike.PeerKey{Block: "home"}, Path: ike.Path{Local: path.Local, Remote: netip.MustParseAddrPort("[2001:db8::1]:500")}, Queued: 2,
			Exchanges: []ike.ExchangeStatus{{Exchange: isakmp.ExchangeType(2), CkyI: cookies(3), Step: 3, Waiting: "DHShared", Since: at}}},
		{Key: ike.PeerKey{Block: "idle"}},
	}
}

const espText = `src 192.0.2.1 dst 192.0.2.2
	proto esp spi 0x0badcafe reqid 2 mode tunnel replaced
	enc aes-128-cbc auth hmac-sha256
	sel src 10.1.0.0/16 dst 10.2.0.0/24
	encap type espinudp sport 4500 dport 30001
src 192.0.2.2 dst 192.0.2.1
	proto esp spi 0xc0ffee01 reqid 1 mode tunnel replaced
	enc aes-128-cbc auth hmac-sha256
	sel src 10.2.0.0/24 dst 10.1.0.0/16
	encap type espinudp sport 30001 dport 4500
`

const ahText = `src 192.0.2.1 dst 192.0.2.2
	proto ah spi 0x00000022 reqid 2 mode transport not yet installed
	enc aes-128-cbc auth hmac-sha256
	sel src 10.1.0.0/16 dst 10.2.0.0/24 proto 6 sport 80
src 192.0.2.2 dst 192.0.2.1
	proto ah spi 0x00000011 reqid 1 mode transport
	enc aes-128-cbc auth hmac-sha256
	sel src 10.2.0.0/24 dst 10.1.0.0/16 proto 6 dport 80
`

const isakmpText = `Destination            Cookies                           Created
192.0.2.2.4500         0102030405060708:0902030405060708 2026-01-02 03:04:05
`

func TestShowSA(t *testing.T) {
	busy := "negotiating 2001:db8::1.500 responder " + isakmp.ExchangeType(2).String() +
		" cookies 0302030405060708:0000000000000000 msgid 00000000 step 3 waiting for DHShared since 2026-01-02 03:04:05\n" +
		"waiting 2001:db8::1.500 requests 2\n"
	socket := start(t, &daemon{statuses: peers()})
	empty := start(t, &daemon{})
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"everything", []string{"-s", socket, "show-sa"}, isakmpText + espText + ahText +
			busy},
		{"ISAKMP SAs, by the short name", []string{"-s", socket, "ss", "isakmp"}, isakmpText},
		{"ESP, flags at the end", []string{"show-sa", "esp", "-s", socket}, espText},
		{"AH", []string{"show-sa", "-s", socket, "ah"}, ahText},
		{"IPsec", []string{"-s", socket, "show-sa", "ipsec"}, espText + ahText},
		{"of one peer", []string{"-s", socket, "show-sa", "2001:db8::1"}, busy},
		{"IPsec SAs of one that has none", []string{"-s", socket, "show-sa", "ipsec", "2001:db8::1"}, "No SAD entries.\n"},
		{"of nobody", []string{"-s", socket, "show-sa", "192.0.2.77"}, "No SAD entries.\n"},
		{"nothing at all", []string{"-s", empty, "show-sa"}, "No SAD entries.\n"},
		{"no ISAKMP SA", []string{"-s", empty, "show-sa", "isakmp"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errOut := run(tt.args...)
			if d := cmp.Diff(tt.want, out); d != "" || status != 0 || errOut != "" {
				t.Errorf("status %d, %s (-want +got):\n%s", status, errOut, d)
			}
		})
	}
	t.Run("at length", func(t *testing.T) {
		_, out, _ := run("-s", socket, "show-sa", "-l")
		for _, want := range []string{`local 192.0.2.1.500 initiator remote "office" id "fqdn \x1b[2J"`, "enc aes-128-cbc hash sha256 group modp2048 expires 2026-01-02 11:04:05",
			"exchange aggressive nat local dpd on fragments off", "initiator since 2026-01-02 03:04:05 soft 2880s hard 3600s hard 4608000KB",
			"initiator since 2026-01-02 03:04:05 soft 2880s hard 3600s"} {
			if !strings.Contains(out, "\t"+want+"\n") {
				t.Errorf("no line %q in\n%s", want, out)
			}
		}
	})
}

func TestShowSAInJSON(t *testing.T) {
	socket := start(t, &daemon{statuses: peers()})
	type list struct{ Peers []publiccontrol.Peer }
	get := func(args ...string) (l list) {
		t.Helper()
		status, out, errOut := run(append([]string{"-j", "-s", socket, "show-sa"}, args...)...)
		dec := json.NewDecoder(strings.NewReader(out))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil || status != 0 || errOut != "" {
			t.Fatalf("status %d, %s %v in\n%s", status, errOut, err, out)
		}
		return l
	}
	all := get()
	if len(all.Peers) != 2 || all.Peers[0].Section != "office" || len(all.Peers[0].IPsec) != 2 || all.Peers[1].Queued != 2 {
		t.Errorf("%+v", all)
	}
	if esp := get("esp"); len(esp.Peers[0].IPsec) != 1 || esp.Peers[0].IPsec[0].SPIIn != 0xc0ffee01 || len(esp.Peers[0].ISAKMP) != 0 {
		t.Errorf("esp: %+v", esp)
	}
	if none := get("192.0.2.77"); len(none.Peers) != 0 {
		t.Errorf("of nobody: %+v", none)
	}
}

func TestEstablishSAInTheClassicWords(t *testing.T) {
	tests := []struct {
		args string
		want string // as the daemon was asked
	}{
		{"establish-sa 192.0.2.2", `establish 3 invalid IP 192.0.2.2 "" invalid Prefix[any] invalid Prefix[any] any 0`},
		{"es -n office 2001:db8::1", `establish 3 invalid IP 2001:db8::1 "office" invalid Prefix[any] invalid Prefix[any] any 0`},
		{"establish-sa -w isakmp inet 192.0.2.1 192.0.2.2", `establish 1 192.0.2.1 192.0.2.2 "" invalid Prefix[any] invalid Prefix[any] any 0`},
		{"establish-sa isakmp inet6 2001:db8::1 2001:db8::2", `establish 1 2001:db8::1 2001:db8::2 "" invalid Prefix[any] invalid Prefix[any] any 0`},
		{"establish-sa esp inet 10.1.0.0/16/80 10.2.0.0/24/any tcp", `establish 2 invalid IP invalid IP "" 10.1.0.0/16[80] 10.2.0.0/24[any] 6 50`},
		{"establish-sa esp inet 10.1.0.9/16[80] 10.2.0.1 any", `establish 2 invalid IP invalid IP "" 10.1.0.0/16[80] 10.2.0.1/32[any] any 50`},
		{"establish-sa ah inet6 2001:db8::1 2001:db8::/64[53] 17", `establish 2 invalid IP invalid IP "" 2001:db8::1/128[any] 2001:db8::/64[53] 17 51`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			d := &daemon{}
			socket := start(t, d)
			status, out, errOut := run(append([]string{"-s", socket}, strings.Fields(tt.args)...)...)
			if status != 0 || out != "" || errOut != "" {
				t.Errorf("status %d, %q %q", status, out, errOut)
			}
			if diff := cmp.Diff([]string{tt.want}, d.asked); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeleteSA(t *testing.T) {
	tests := []struct {
		args string
		want []string
	}{
		{"delete-sa all 192.0.2.2", []string{"delete office 0x0"}},
		{"ds isakmp inet 192.0.2.1 192.0.2.2", []string{"delete office 0x0"}},
		{"delete-sa spi 0xc0ffee01", []string{"delete office 0xc0ffee01"}},
		{"delete-sa spi 34", []string{"delete office 0x11"}}, // the outbound one names its pair
		{"delete-sa esp inet 10.1.0.0/16 10.2.0.0/24 any", []string{"delete office 0xc0ffee01"}},
		{"delete-sa ah inet 10.1.0.0/16[80] 10.2.0.0/24 tcp", []string{"delete office 0x11"}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			d := &daemon{statuses: peers()}
			socket := start(t, d)
			status, out, errOut := run(append([]string{"-j", "-s", socket}, strings.Fields(tt.args)...)...)
			if status != 0 || out != "{\"deleted\":1}\n" || errOut != "" {
				t.Errorf("status %d, %q %q", status, out, errOut)
			}
			if diff := cmp.Diff(tt.want, d.asked); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExitStatusTellsTheTruth(t *testing.T) {
	tests := []struct {
		name   string
		args   string
		err    error
		status int
		stdout string
		stderr string // contains
	}{
		{name: "reload", args: "reload-config", stdout: "racoon.conf:1: weak\nnothing has changed\n"},
		{name: "reload in JSON", args: "rc -j", stdout: `{"generation":3,"findings":["racoon.conf:1: weak"],"changes":{"remotes":{"added":[],"removed":[],"changed":[],"kept":0},` +
			`"sainfos":{"added":[],"removed":[],"changed":[],"kept":0},"others":[]}}` + "\n"},
		{name: "a plan of a configuration that would be rejected", args: "rc -n", err: errs.Errorf(errs.Invalid, "racoon.conf:3: no"), status: 1, stderr: "racoon.conf:3: no"},
		{name: "a rejected configuration", args: "rc", err: errs.Errorf(errs.Invalid, "racoon.conf:3: no"), status: 1, stderr: "racoon.conf:3: no"},
		{name: "it is there already", args: "es 192.0.2.2", err: errs.Errorf(errs.Exists, "there"), status: 0},
		{name: "it could not be established", args: "es 192.0.2.2", err: errs.Errorf(errs.Timeout, "the peer does not answer"), status: 1, stderr: "the peer does not answer"},
		{name: "the same in JSON", args: "-j es 192.0.2.2", err: errs.Errorf(errs.NotFound, "no section"), status: 1, stdout: `{"error":{"message":"no section","reason":"NOT_FOUND"}}` + "\n", stderr: "no section"},
		{name: "established in JSON", args: "-j es 192.0.2.2", stdout: `{"established":true}` + "\n"},
		{name: "nothing to delete", args: "ds all 192.0.2.77", status: 1, stderr: "no such SA"},
		{name: "the daemon cannot delete", args: "ds all 192.0.2.2", err: errors.New("broken"), status: 1, stderr: "broken"},
		{name: "a user", args: "es -u carol 192.0.2.2", status: 1, stderr: "XAUTH"},
		{name: "no command", args: "", status: 2, stderr: "no command"},
		{name: "an unknown command", args: "show", status: 2, stderr: `"show"`},
		{name: "an unknown flag", args: "-x", status: 2, stderr: "-x"},
		{name: "a flag of another command", args: "show-sa -n office", status: 2, stderr: "-n"},
		{name: "words too many", args: "rc now", status: 2, stderr: `"now"`},
		{name: "show-sa of something else", args: "show-sa esp 192.0.2.1 192.0.2.2", status: 2, stderr: "one address"},
		{name: "establish nothing", args: "es", status: 2, stderr: "say what"},
		{name: "a misspelt kind", args: "es isakm inet 192.0.2.1 192.0.2.2", status: 2, stderr: `"isakm"`},
		{name: "an end is missing", args: "es isakmp inet 192.0.2.1", status: 2, stderr: "LOCAL and REMOTE"},
		{name: "the protocol is missing", args: "es esp inet 10.0.0.1 10.0.0.2", status: 2, stderr: "upper-layer protocol"},
		{name: "another family", args: "es isakmp inet6 192.0.2.1 192.0.2.2", status: 2, stderr: "address family"},
		{name: "a bad length", args: "es esp inet 10.0.0.0/33 10.0.0.2 any", status: 2, stderr: "prefix length"},
		{name: "a bad port", args: "es esp inet 10.0.0.0/8/http 10.0.0.2 any", status: 2, stderr: `"http" is not a port`},
		{name: "two ports", args: "es esp inet 10.0.0.0/8/1[2] 10.0.0.2 any", status: 2, stderr: "two ports"},
		{name: "a bracket left open", args: "es esp inet 10.0.0.0/8[2 10.0.0.2 any", status: 2, stderr: "without ]"},
		{name: "a bad protocol", args: "es esp inet 10.0.0.1 10.0.0.2 256", status: 2, stderr: `"256"`},
		{name: "half an address", args: "es 192.0.2", status: 2, stderr: "not an address"},
		{name: "delete without a word", args: "ds", status: 2, stderr: "say what: all REMOTE"},
		{name: "delete a peer without all", args: "ds 192.0.2.2", status: 2, stderr: "delete-sa all 192.0.2.2"},
		{name: "delete SPI 0", args: "ds spi 0", status: 2, stderr: "SPI"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			socket := start(t, &daemon{statuses: peers(), err: tt.err})
			status, out, errOut := run(append([]string{"-s", socket}, strings.Fields(tt.args)...)...)
			if status != tt.status || out != tt.stdout || !strings.Contains(errOut, tt.stderr) || tt.stderr == "" && errOut != "" {
				t.Errorf("status %d, %q, %q", status, out, errOut)
			}
		})
	}
}

// TestReloadSaysWhatChanged: in counts, and with -n in full without a reload.
func TestReloadSaysWhatChanged(t *testing.T) {
	named := func(name string) *policy.Remote { return &policy.Remote{Name: name} }
	changed := named("office")
	changed.DPD = true
	old := &policy.Config{Remotes: []*policy.Remote{named("office"), named("home"), named("192.0.2.2[500]")}, SAInfos: []*policy.SAInfo{{RemoteID: 7}}}
	now := &policy.Config{Remotes: []*policy.Remote{changed, named("192.0.2.2[500]"), named("new\x1b[2J")}, Timer: policy.DefaultTimer()}
	const summary = "remote: 1 added, 1 removed, 1 changed, 1 kept; sainfo: 1 removed; changed too: timer\n"
	for _, tt := range []struct {
		args, want string
		asked      []string
	}{
		{"reload-config", "racoon.conf:1: weak\n" + summary, []string{"reload"}},
		{"reload-config -n", "racoon.conf:1: weak\nremote new?[2J would be added\nremote home would be removed\nremote office would be changed\n" +
			"sainfo anonymous (remoteid 7) would be removed\n" + summary, nil},
		{"-j rc -n", `{"findings":["racoon.conf:1: weak"],"changes":{"remotes":{"added":["new\u001b[2J"],"removed":["home"],"changed":["office"],"kept":1},` +
			`"sainfos":{"added":[],"removed":["anonymous (remoteid 7)"],"changed":[],"kept":0},"others":["timer"]}}` + "\n", nil},
	} {
		t.Run(tt.args, func(t *testing.T) {
			d := &daemon{plan: policy.NewPlan(old, now)}
			status, out, errOut := run(append([]string{"-s", start(t, d)}, strings.Fields(tt.args)...)...)
			if diff := cmp.Diff(tt.want, out); diff != "" || status != 0 || errOut != "" {
				t.Errorf("status %d, %q\n%s", status, errOut, diff)
			}
			if diff := cmp.Diff(tt.asked, d.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGivingUpSaysThatTheDaemonDoesNot(t *testing.T) {
	socket := start(t, &daemon{slow: true})
	status, _, errOut := run("-s", socket, "-t", "50ms", "establish-sa", "192.0.2.2")
	if status != 1 || !strings.Contains(errOut, "not up after 50ms") {
		t.Errorf("status %d, %q", status, errOut)
	}
}

func TestWithoutADaemonEveryCommandFails(t *testing.T) {
	for _, c := range commands() {
		args := map[string][]string{"establish-sa": {"192.0.2.1"}, "delete-sa": {"all", "192.0.2.1"}}[c.name]
		status, out, errOut := run(append([]string{"-s", "/nonexistent/s", c.name}, args...)...)
		if status != 1 || out != "" || !strings.Contains(errOut, "/nonexistent/s") {
			t.Errorf("%s: status %d, %q, %q", c.name, status, out, errOut)
		}
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"show-sa", "-h"}} {
		status, out, _ := run(args...)
		for _, c := range commands() {
			if !strings.Contains(out, c.name) || status != 0 {
				t.Errorf("%v: status %d, no %s in %q", args, status, c.name, out)
			}
		}
	}
}

// writer hands what is printed to the test, line by line.
type writer chan string

func (w writer) Write(p []byte) (int, error) { w <- string(p); return len(p), nil }

func TestMonitorPrintsUntilTheDaemonEnds(t *testing.T) {
	n := notice.Notice{Event: notice.Phase2Up, Remote: "office", Peer: netip.MustParseAddrPort("192.0.2.2:500"), SPI: 1, SPIOut: 2, Detail: "\x1b[2J"}
	d := &daemon{notices: []notice.Notice{n}}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := control.Listen(policy.AdminSock{Path: socket}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := control.NewServer(d, control.About{})
	go s.Serve(l)
	lines, status := make(writer), make(chan int)
	go func() { status <- Main([]string{"-s", socket, "monitor"}, nil, lines, make(writer, 10)) }()
	_, got, _ := strings.Cut(<-lines, "phase2-up")
	if want := ": IPsec-SA established: ?[2J remote=office peer=192.0.2.2:500 spi=0x00000001 spi_out=0x00000002\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Close()
	if got := <-status; got != 1 {
		t.Errorf("status %d, want 1: the daemon has gone", got)
	}
}

func TestAHostsNameIsLookedUpInTheFamilyWanted(t *testing.T) {
	var asked []string
	look := func(_ context.Context, network, host string) ([]netip.Addr, error) {
		asked = append(asked, network+" "+host)
		if host == "none.example" {
			return nil, errors.New("no such host")
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.7")}, nil
	}
	got, err := parseTarget(t.Context(), []string{"isakmp", "inet", "here.example", "there.example"}, look)
	want := target{isakmp: &publiccontrol.EndPoints{Local: netip.MustParseAddr("192.0.2.7"), Remote: netip.MustParseAddr("192.0.2.7")}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(target{}), cmpopts.EquateComparable(netip.Addr{})); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if d := cmp.Diff([]string{"ip4 here.example", "ip4 there.example"}, asked); d != "" {
		t.Error(d)
	}
	if _, err := parseTarget(t.Context(), []string{"none.example"}, look); err == nil || !strings.Contains(err.Error(), "none.example") {
		t.Errorf("%v", err)
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "isakmp inet a b", "esp inet 10.0.0.0/8/80 ::1 tcp", "ah 10.0.0.1[5] 10.0.0.2/0 0"} {
		f.Add(s)
	}
	look := func(context.Context, string, string) ([]netip.Addr, error) { return nil, nil }
	f.Fuzz(func(t *testing.T, line string) {
		got, err := parseTarget(t.Context(), strings.Fields(line), look)
		if err != nil {
			var usage usageError
			if !errors.As(err, &usage) {
				t.Fatalf("%v is not a usage error", err)
			}
			return
		}
		if p := got.policy; p != nil && (p.Selector.Local != p.Selector.Local.Masked() || !p.Selector.Remote.IsValid()) {
			t.Fatalf("%+v", p)
		}
	})
}

// TestTheSocketOfASecondDaemon is found by the variable that names its directory.
func TestTheSocketOfASecondDaemon(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RACOON_RUNDIR", dir)
	for args, want := range map[string]string{"version": dir + "/racoon.sock", "-s /nowhere version": "dial unix /nowhere:"} {
		var stdout, stderr bytes.Buffer
		if status := Main(strings.Fields(args), strings.NewReader(""), &stdout, &stderr); status != exitFailed || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: %d %s", args, status, stderr.String())
		}
	}
}

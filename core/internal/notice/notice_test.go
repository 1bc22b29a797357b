package notice

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// Names are metric labels and what scripts match: unique, and of one form.
var labelForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func checkNames(t *testing.T, what string, names []string) {
	t.Helper()
	seen := map[string]int{}
	for i, n := range names {
		if !labelForm.MatchString(n) || strings.HasPrefix(n, what+"-") {
			t.Errorf("%s %d is called %q", what, i+1, n)
		}
		if j, ok := seen[n]; ok {
			t.Errorf("%s %d and %d are both %q", what, j+1, i+1, n)
		}
		seen[n] = i
	}
}

func TestEveryEventHasANameOfItsOwnAndAText(t *testing.T) {
	var names []string
	for e := Event(1); e < eventCount; e++ {
		names = append(names, e.String())
		if events[e].text == "" {
			t.Errorf("%v has no text", e)
		}
	}
	checkNames(t, "event", names)
}

func TestEveryReasonHasANameOfItsOwn(t *testing.T) {
	var names []string
	for _, r := range Reasons() {
		names = append(names, r.String())
	}
	checkNames(t, "reason", names)
	if len(names) != int(reasonCount)-1 || slices.Contains(Reasons(), 0) {
		t.Errorf("Reasons lists %d of %d", len(names), reasonCount-1)
	}
}

func TestNumbersWithoutANameAreStillPrintable(t *testing.T) {
	for want, got := range map[string]string{
		"event-0": Event(0).String(), "event-200": Event(200).String(),
		"reason-0": Reason(0).String(), "reason-200": Reason(200).String(),
		"event-201": Notice{Event: 201}.String(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		name string
		n    Notice
		want slog.Level
	}{
		{"an SA that comes is info", Notice{Event: Phase1Up}, slog.LevelInfo},
		{"an SA that goes is info", Notice{Event: Phase2Down, Reason: Expired}, slog.LevelInfo},
		{"a failed negotiation is a warning", Notice{Event: Phase1Failed, Reason: TimedOut}, slog.LevelWarn},
		{"a message lost to the network is debug", Notice{Event: Dropped, Reason: Duplicate}, slog.LevelDebug},
		{"a message dropped for what is configured is a warning", Notice{Event: Dropped, Reason: NoProposal}, slog.LevelWarn},
		{"the same reason leaves other events as they are", Notice{Event: Sent, Reason: NoProposal}, slog.LevelDebug},
		{"what does not work on this host is an error", Notice{Event: LocalFailure, Reason: KernelRefused}, slog.LevelError},
		{"an event nobody knows is an error", Notice{Event: eventCount}, slog.LevelError},
		{"no event at all is an error", Notice{}, slog.LevelError},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.n.Level(); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// What anybody on the network can cause without a configuration of ours is quiet.
func TestFloodsAreNotLoud(t *testing.T) {
	for _, r := range []Reason{ShortDatagram, BadCookie, UnknownSA, Duplicate, Replayed, Keepalive, NonESP, RateLimited, HalfOpenLimit, MailboxFull} {
		if r.Loud() {
			t.Errorf("%v is loud", r)
		}
	}
}

func TestLogLine(t *testing.T) {
	full := Notice{Event: Phase2Up, Reason: Replaced, Remote: "gw", Local: netip.MustParseAddrPort("192.0.2.1:500"),
		Peer: netip.MustParseAddrPort("[2001:db8::1]:4500"), CkyI: isakmp.Cookie{1}, CkyR: isakmp.Cookie{2}, Exchange: isakmp.QuickMode,
		MsgID: 0xbeef, Step: 3, Proto: 50, SPI: 0xc0ffee, SPIOut: 0x1234, Command: 7, Plugin: "kernel/xfrm", Detail: "10.0.0.0/8 aes-cbc-128"}
	for _, test := range []struct {
		name string
		n    Notice
		want string
	}{
		{"every field, always in this order", full, `level=INFO msg="IPsec-SA established: 10.0.0.0/8 aes-cbc-128" ` +
			`peer=[2001:db8::1]:4500 local=192.0.2.1:500 remote=gw cookies=0100000000000000:0200000000000000 exchange=QUICK_MODE msgid=0000beef ` +
			`step=3 proto=50 spi=0x00c0ffee spi_out=0x00001234 plugin=kernel/xfrm reason=replaced`},
		{"what says nothing is left out", Notice{Event: Starting}, `level=INFO msg="racoon starting"`},
		{"a first message has no CKY-R yet", Notice{Event: Sent, CkyI: isakmp.Cookie{1}}, `level=DEBUG msg="message sent" cookies=0100000000000000:0000000000000000`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			noTime := func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}
			log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime}))
			log.LogAttrs(context.Background(), test.n.Level(), test.n.String(), test.n.Attrs()...)
			if diff := cmp.Diff(test.want+"\n", b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANoticeIsAGroupForSlog(t *testing.T) {
	v := Notice{Event: Dropped, Reason: BadHash, Detail: "HASH(1)"}.LogValue()
	if got, want := v.String(), "[event=dropped text=message dropped: HASH(1) reason=bad-hash]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

//go:build linux

package xfrm

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// probeWith probes a kernel that answers each SA it is to make as refuse says,
// and returns what was logged, a line each.
func probeWith(t *testing.T, refuse func(*kernel.SA) syscall.Errno) (kernel.Capabilities, []string, error) {
	t.Helper()
	k := newFakeKernel(t)
	k.handler[msgNewSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		o, err := decodeSA(req[0].Data, time.Time{}, false)
		if err != nil {
			t.Error(err)
		}
		if refuse(o.SA) == 0 && bytes.Contains(req[0].Data, appendAttr(nil, attrOffload, offload(1, 0x80))) {
			return nltest.Error(int(syscall.EINVAL), req)
		}
		return nltest.Error(int(refuse(o.SA)), req)
	}
	k.remembers(whole)
	var log bytes.Buffer
	b := k.unprobed()
	b.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	caps, err := b.Capabilities(t.Context())
	made, deleted := 0, 0
	for _, m := range k.sent() {
		switch m.Header.Type {
		case msgNewSA:
			o, _ := decodeSA(m.Data, time.Time{}, false)
			if refuse(o.SA) == 0 && !bytes.Contains(m.Data, []byte{1, 0, 0, 0, 0x80}) {
				made++
			}
		case msgAllocSPI:
			made++
		case msgDelSA:
			deleted++
		}
	}
	if made != deleted {
		t.Errorf("%d SAs made, %d deleted", made, deleted)
	}
	return caps, strings.Split(strings.TrimSpace(log.String()), "\n"), err
}

func is4(sa *kernel.SA) bool { return sa.Key.Dst.Is4() }

func TestWhatTheKernelCanDoIsAsked(t *testing.T) {
	const (
		modes = kernel.FeatTunnel | kernel.FeatTransport | kernel.FeatUpdateAddresses
		marks = kernel.FeatMark | kernel.FeatIfID
		all   = marks | kernel.FeatOutputMark | kernel.FeatESP | kernel.FeatAH | kernel.FeatIPComp | modes | kernel.FeatNATT | kernel.FeatBEET | kernel.FeatESN | kernel.FeatOffload
	)
	refuse := func(errno syscall.Errno, what func(*kernel.SA) bool) func(*kernel.SA) syscall.Errno {
		return func(sa *kernel.SA) syscall.Errno {
			if what(sa) {
				return errno
			}
			return 0
		}
	}
	proto := func(p uint8) func(*kernel.SA) bool { return func(sa *kernel.SA) bool { return sa.Key.Proto == p } }
	for _, tt := range []struct {
		name   string
		refuse func(*kernel.SA) syscall.Errno
		lacks  kernel.Feature
		log    []string // each line has these words
	}{
		{"everything", func(*kernel.SA) syscall.Errno { return 0 }, 0, []string{""}},
		{
			"no ESP", refuse(syscall.EPROTONOSUPPORT, proto(protoESP)),
			kernel.FeatOutputMark | kernel.FeatESP | kernel.FeatNATT | kernel.FeatBEET | kernel.FeatESN | kernel.FeatOffload,
			[]string{`level=WARN msg="this kernel has no ESP; load the modules esp4 and esp6, or use a kernel with CONFIG_INET_ESP and CONFIG_INET6_ESP; where neither can be had, choose a kernel plugin that does ESP itself"`},
		},
		{
			"no IPv6 ESP", refuse(syscall.EPROTONOSUPPORT, func(sa *kernel.SA) bool { return sa.Key.Proto == protoESP && !is4(sa) }),
			0,
			[]string{`level=WARN msg="this kernel has no ESP for IPv6; load the module esp6, or use a kernel with CONFIG_INET6_ESP"`, "over IPv6"},
		},
		{
			"no IPv6", refuse(syscall.EAFNOSUPPORT, func(sa *kernel.SA) bool { return !is4(sa) }),
			0, []string{"ESP for IPv6", "AH for IPv6", "IPComp for IPv6", "over IPv6"},
		},
		{
			"no AH", refuse(syscall.EPROTONOSUPPORT, proto(protoAH)),
			kernel.FeatAH, []string{`level=INFO msg="this kernel has no AH; load the modules ah4 and ah6,`},
		},
		{
			"no IPComp", refuse(syscall.EPROTONOSUPPORT, proto(protoIPComp)),
			kernel.FeatIPComp, []string{`level=INFO msg="this kernel has no IPComp; load the modules ipcomp and ipcomp6,`},
		},
		{
			"no ESP in UDP", refuse(syscall.EINVAL, func(sa *kernel.SA) bool { return sa.Encap != nil }),
			kernel.FeatNATT, []string{`msg="this kernel cannot do ESP in UDP"`, "over IPv6"},
		},
		{
			"ESP in UDP for IPv4 only", refuse(syscall.EINVAL, func(sa *kernel.SA) bool { return sa.Encap != nil && !is4(sa) }),
			0, []string{"ESP in UDP over IPv6 (it needs Linux 5.8)"},
		},
		{
			"no BEET", refuse(syscall.EPROTONOSUPPORT, func(sa *kernel.SA) bool { return sa.Mode == kernel.ModeBEET }),
			kernel.FeatBEET, []string{"BEET mode"},
		},
		{
			"no ESN", refuse(syscall.ENOENT, func(sa *kernel.SA) bool { return sa.ESN }),
			kernel.FeatESN, []string{"extended sequence numbers"},
		},
		{
			"no Camellia", refuse(syscall.ENOSYS, func(sa *kernel.SA) bool { return sa.Encr != nil && sa.Encr.ID == 22 }),
			0, []string{"cbc(camellia)"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			caps, log, err := probeWith(t, tt.refuse)
			if err != nil {
				t.Fatal(err)
			}
			want := (all | always) &^ tt.lacks
			if caps.Features != want {
				t.Errorf("features %b, want %b", caps.Features, want)
			}
			if len(log) != len(tt.log) {
				t.Fatalf("logged\n%s\nwant %d lines", strings.Join(log, "\n"), len(tt.log))
			}
			for i, words := range tt.log {
				if !strings.Contains(log[i], words) {
					t.Errorf("logged %s, want %s", log[i], words)
				}
			}
		})
	}
}

func TestAKernelWithNothingGetsOneWarning(t *testing.T) {
	caps, log, err := probeWith(t, func(*kernel.SA) syscall.Errno { return syscall.EPROTONOSUPPORT })
	if err != nil {
		t.Fatal(err)
	}
	if caps.Features != always|kernel.FeatMark|kernel.FeatIfID || len(caps.Algorithms) != 0 {
		t.Errorf("features %b, algorithms %v", caps.Features, caps.Algorithms)
	}
	if len(log) != 1 || !strings.HasPrefix(log[0], `level=WARN msg="this kernel has no ESP; load `) {
		t.Errorf("logged\n%s\nwant one warning", strings.Join(log, "\n"))
	}
}

func TestAProbeWithoutPrivilegeSaysWhichItNeeds(t *testing.T) {
	_, _, err := probeWith(t, func(*kernel.SA) syscall.Errno { return syscall.EPERM })
	if e := errs.From(err); e == nil || e.Reason != errs.Permission || !strings.Contains(e.Msg, "CAP_NET_ADMIN") {
		t.Errorf("%v, want Permission and CAP_NET_ADMIN", err)
	}
	// Nor is an answer to nothing taken for a missing part.
	if _, _, err := probeWith(t, func(*kernel.SA) syscall.Errno { return syscall.ENOMEM }); err == nil {
		t.Error("out of memory, and yet there are capabilities")
	}
}

// Kernels before 4.19 take an SA with an interface for one without; from us they do not
// get it.
func TestWhatTheKernelWouldIgnoreIsRefused(t *testing.T) {
	k := newFakeKernel(t)
	k.remembers(func(body []byte) []byte { return body[:sizeSAInfo:sizeSAInfo] })
	k.handler[msgAllocSPI] = func(req []netlink.Message) ([]netlink.Message, error) {
		body := bytes.Clone(req[0].Data[:sizeSAInfo])
		big.PutUint32(body[saSPI:], 0x1000)
		return reply(req[0], msgNewSA, body), nil
	}
	b := k.unprobed()
	caps, err := b.Capabilities(t.Context())
	marks := kernel.FeatMark | kernel.FeatIfID | kernel.FeatOutputMark | kernel.FeatOffload
	if err != nil || caps.Features&marks != 0 || caps.Features&kernel.FeatESP == 0 {
		t.Errorf("features %b, %v", caps.Features, err)
	}
	k.sent()
	sa := func(change func(*kernel.SA)) kernel.Op {
		sa := goldenSAs()["esp-gcm8-out"]
		change(sa)
		return kernel.Op{Kind: kernel.AddSA, SA: sa}
	}
	for name, op := range map[string]kernel.Op{
		"a mark":             sa(func(sa *kernel.SA) { sa.Key.Mark = &kernel.Mark{Value: 1, Mask: 1} }),
		"an interface":       sa(func(sa *kernel.SA) { sa.Key.IfID = 1 }),
		"an output mark":     sa(func(sa *kernel.SA) { sa.OutputMark = &kernel.Mark{Value: 1, Mask: 1} }),
		"offload":            sa(func(sa *kernel.SA) { sa.Offload = "lo" }),
		"a policy's of both": {Kind: kernel.UpdatePolicy, Policy: goldenPolicies()["policy-fwd-update"]},
	} {
		if r := kernellive.Try(t, b, kernel.Stop, op)[0]; r.Err == nil || r.Err.Reason != errs.Unsupported {
			t.Errorf("%s: %v, want Unsupported", name, r.Err)
		}
	}
	if sent := typesOf(k.sent()); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
}

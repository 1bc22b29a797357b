package plugingrpc

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	kernelv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/kernel/v1"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// filled is a T with every exported field set to something that is not its zero
// value, so that a field a conversion forgets shows up as a difference.
func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), 0)
	return v
}

func fill(v reflect.Value, depth int) {
	switch v.Addr().Interface().(type) {
	case *netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("fe80::1%eth0")))
		return
	case *netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.7:4500")))
		return
	case *netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("2001:db8::/32")))
		return
	case *time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)))
		return
	case *time.Duration:
		v.Set(reflect.ValueOf(90 * time.Second))
		return
	case *secret.Bytes:
		v.Set(reflect.ValueOf(secret.New([]byte("hush"))))
		return
	case *errs.Error:
		v.Set(reflect.ValueOf(errs.Error{
			Reason: errs.Busy, Msg: "later", RetryAfter: time.Second, Errno: 16, Op: 3, Attrs: map[string]string{"spi": "0x1"},
		}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		if depth > 8 { // a block's body has blocks
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k, depth+1)
		fill(e, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int8, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	default:
		panic("fill " + v.Type().String())
	}
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b secret.Bytes) bool { return string(a.Reveal()) == string(b.Reveal()) }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// through sends v over the wire and back, once filled and once zero.
func through[T any, M proto.Message](to func(T) M, from func(*decoder, M) T) func(*testing.T) {
	return func(t *testing.T) {
		var zero T
		for name, v := range map[string]T{"filled": filled[T](), "zero": zero} {
			m := to(v)
			wire, err := proto.Marshal(m)
			if err != nil {
				t.Fatalf("%s: marshal: %v", name, err)
			}
			back := m.ProtoReflect().New().Interface().(M)
			if err := proto.Unmarshal(wire, back); err != nil {
				t.Fatalf("%s: unmarshal: %v", name, err)
			}
			var d decoder
			got := from(&d, back)
			if d.err != nil {
				t.Fatalf("%s: decode: %v", name, d.err)
			}
			if diff := cmp.Diff(v, got, compare); diff != "" {
				t.Errorf("%s: lost on the way (-sent +got):\n%s", name, diff)
			}
		}
	}
}

// plain adapts a conversion that cannot fail.
func plain[M, T any](f func(M) T) func(*decoder, M) T {
	return func(_ *decoder, m M) T { return f(m) }
}

func TestEveryFieldSurvivesTheWire(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"auth.PeerContext":    through(peerToProto, (*decoder).peer),
		"auth.Capabilities":   through(capabilitiesToProto, (*decoder).capabilities),
		"auth.Credential":     through(credentialToProto, (*decoder).credential),
		"auth.SKEYIDRequest":  through(skeyidRequestToProto, (*decoder).skeyidRequest),
		"auth.SKEYIDResult":   through(skeyidResultToProto, plain(skeyidResult)),
		"auth.SignRequest":    through(signItemToProto, (*decoder).signItem),
		"auth.Signature":      through(signResultToProto, plain(signResult)),
		"auth.VerifyRequest":  through(verifyItemToProto, (*decoder).verifyItem),
		"auth.Session":        through(sessionToProto, (*decoder).session),
		"auth.AccountRecord":  through(accountToProto, (*decoder).account),
		"auth.Attr":           through(attrToProto, (*decoder).attr),
		"kernel.Capabilities": through(kernelCapabilitiesToProto, (*decoder).kernelCapabilities),
		"kernel.SPIRequest":   through(spiRequestToProto, (*decoder).spiRequest),
		"kernel.Transaction":  through(transactionToProto, (*decoder).transaction),
		"kernel.TxnResult":    through(txnResultToProto, plain(txnResult)),
		"kernel.Key":          through(keyToProto, (*decoder).key),
		"kernel.Stats":        through(statsToProto, plain(stats)),
		"kernel.Object":       through(objectToProto, (*decoder).object),
		"kernel.Event":        through(eventToProto, (*decoder).event),
		"kernel.Route":        through(routeToProto, (*decoder).route),
		"kernel.Datagram":     through(datagramToProto, (*decoder).datagram),
		"logsink.Record":      through(recordToProto, (*decoder).record),
		"config.Body":         through(bodyToProto, plain(bodyFromProto)),
	} {
		t.Run(name, test)
	}
}

func TestAVerdictWithAnErrorIsNeverAccepted(t *testing.T) {
	got := verdict(verdictToProto(auth.Verdict{Accepted: true, Err: errs.Errorf(errs.Unavailable, "no CRL")}))
	if got.Accepted || got.Err == nil {
		t.Errorf("got %+v", got)
	}
}

func TestDiagnosticsSurviveTheWire(t *testing.T) {
	want := config.Diagnostics{
		{Severity: config.Error, Summary: "s", Detail: "d", Path: []string{"a", "0"}, Code: "C1", Fix: "f"},
		{Severity: config.Warning, Summary: "w"},
		{Severity: config.Note, Summary: "n"},
	}
	if diff := cmp.Diff(want, diagnosticsFromProto(DiagnosticsToProto(want))); diff != "" {
		t.Error(diff)
	}
}

func TestEventMaskSurvivesTheWireAndRefusesUnknownKinds(t *testing.T) {
	for _, m := range []kernel.EventMask{0, kernel.MaskOf(kernel.Acquire), kernel.MaskOf(kernel.Ready, kernel.SAUpdated)} {
		var d decoder
		if got := d.mask(maskToProto(m)); got != m || d.err != nil {
			t.Errorf("mask %#x came back as %#x, %v", m, got, d.err)
		}
	}
	var d decoder
	if d.mask(maskToProto(kernel.MaskOf(40))); d.err == nil || d.err.Reason != errs.Unsupported {
		t.Errorf("kind 40: got %v, want UNSUPPORTED", d.err)
	}
}

func TestOutOfRangeValuesAreRefused(t *testing.T) {
	tests := map[string]struct {
		decode func(*decoder)
		want   errs.Reason
	}{
		"an address of 5 octets": {func(d *decoder) { d.addr(make([]byte, 5)) }, errs.Invalid},
		"a port above 65535":     {func(d *decoder) { d.port(1 << 16) }, errs.Invalid},
		"a protocol above 255":   {func(d *decoder) { d.protocol(256) }, errs.Invalid},
		"a mode nobody defined":  {func(d *decoder) { d.mode(9) }, errs.Unsupported},
		"a negative mode":        {func(d *decoder) { d.mode(-1) }, errs.Unsupported},
		"address family 7":       {func(d *decoder) { d.family(7) }, errs.Unsupported},
		"a prefix longer than its address": {func(d *decoder) {
			d.prefix(prefixToProto(netip.PrefixFrom(netip.MustParseAddr("::1"), 128)))
			p := prefixToProto(netip.MustParsePrefix("10.0.0.0/8"))
			p.Bits = 33
			d.prefix(p)
		}, errs.Invalid},
		"a log level outside slog's": {func(d *decoder) {
			m := recordToProto(logsink.Record{})
			m.Level = 1000
			d.record(m)
		}, errs.Invalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var d decoder
			if test.decode(&d); d.err == nil || d.err.Reason != test.want {
				t.Errorf("got %v, want %s", d.err, test.want)
			}
		})
	}
}

func TestTextInAnotherEncodingDoesNotFailACall(t *testing.T) {
	const latin1 = "caf\xe9"
	for name, m := range map[string]proto.Message{
		"a log record":      recordToProto(logsink.Record{Msg: latin1, Source: latin1, Attrs: []logsink.Attr{{Key: latin1, Value: latin1}}}),
		"an error":          errorToProto(&errs.Error{Msg: latin1, Attrs: map[string]string{latin1: latin1}}),
		"a verdict":         verdictToProto(auth.Verdict{Subject: latin1, Detail: latin1}),
		"a key's name":      skeyidResultToProto(auth.SKEYIDResult{Candidates: []auth.SKEYIDCandidate{{CredentialID: latin1}}}),
		"a user":            accountToProto(auth.AccountRecord{Session: auth.Session{User: latin1}, Cause: latin1}),
		"an identity":       peerToProto(auth.PeerContext{ExpectedIDs: []auth.IDPattern{{Text: latin1}}}),
		"a diagnostic":      DiagnosticsToProto(config.Diagnostics{{Summary: latin1, Detail: latin1, Path: []string{latin1}, Fix: latin1}})[0],
		"an interface name": eventToProto(kernel.Event{Iface: latin1}),
	} {
		if _, err := proto.Marshal(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func marshal(v kernel.Transaction) ([]byte, error) { return proto.Marshal(transactionToProto(v)) }

func unmarshal(wire []byte) (kernel.Transaction, error) {
	var m kernelv1.Transaction
	if err := proto.Unmarshal(wire, &m); err != nil {
		return kernel.Transaction{}, err
	}
	var d decoder
	return decoded(d.transaction(&m), &d)
}

package plugingrpc

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// decoder turns wire values into Go ones and keeps the first complaint, so that
// conversions read as assignments. Its user looks at err at the end.
type decoder struct{ err *errs.Error }

func (d *decoder) fail(r errs.Reason, format string, args ...any) {
	if d.err == nil {
		d.err = errs.Errorf(r, format, args...)
	}
}

func (d *decoder) addr(b []byte) netip.Addr {
	var a netip.Addr
	if err := a.UnmarshalBinary(b); err != nil {
		d.fail(errs.Invalid, "address of %d octets", len(b))
	}
	return a
}

func addr(a netip.Addr) []byte {
	b, _ := a.MarshalBinary() // never fails
	return b
}

// text is s as a protobuf string can carry it. Names and messages may come from a
// peer or from a file in another encoding; one of them must not fail a whole call.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// small narrows a number the wire carries in 32 bits.
func small[T ~uint8 | ~uint16](d *decoder, what string, v uint32) T {
	if uint32(T(v)) != v {
		d.fail(errs.Invalid, "%s %d is out of range", what, v)
	}
	return T(v)
}

// enum converts a value of ours, whose numbers the wire shares.
func enum[T ~uint8, W ~int32](d *decoder, what string, v W, last T) T {
	if v < 0 || v > W(last) {
		d.fail(errs.Unsupported, "%s %d is unknown", what, v)
		return 0
	}
	return T(v)
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func duration(v time.Duration) *durationpb.Duration {
	if v == 0 {
		return nil
	}
	return durationpb.New(v)
}

// mapped applies f to all of in. Nothing gives nil.
func mapped[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// numbers converts between slices of numbers.
func numbers[B, A ~uint8 | ~uint16 | ~uint32](in []A) []B {
	return mapped(in, func(v A) B { return B(v) })
}

// same checks that a batch was answered item by item.
func same(what string, got, want int) error {
	if got == want {
		return nil
	}
	return errs.Errorf(errs.Internal, "%s: %d results for %d requests", what, got, want)
}

// receive hands every message of a stream to each, until its end.
func receive[T any](ctx context.Context, method string, recv func() (T, error), each func(T) error) error {
	for {
		m, err := recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fromStatus(ctx, method, err)
		}
		if err := each(m); err != nil {
			return err
		}
	}
}

package logpipe

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// Handler lets slog feed the pipe. source is the Source of its records: "engine",
// "plugin:auth/psk".
func (p *Pipe) Handler(source string) slog.Handler { return &handler{pipe: p, source: source} }

type handler struct {
	pipe   *Pipe
	source string
	prefix string // of keys, from WithGroup
	attrs  []logsink.Attr
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return h.pipe.Enabled(l) }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.prefix, a)
		return true
	})
	h.pipe.Push(logsink.Record{Time: r.Time, Level: logsink.Level(r.Level), Msg: r.Message, Source: h.source, Attrs: attrs})
	return nil
}

func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range as {
		c.attrs = flatten(c.attrs, h.prefix, a)
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// Record makes a record of what slog calls one.
func Record(now time.Time, l slog.Level, msg, source string, as []slog.Attr) logsink.Record {
	attrs := make([]logsink.Attr, 0, len(as))
	for _, a := range as {
		attrs = flatten(attrs, "", a)
	}
	return logsink.Record{Time: now, Level: logsink.Level(l), Msg: msg, Source: source, Attrs: attrs}
}

func flatten(to []logsink.Attr, prefix string, a slog.Attr) []logsink.Attr {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" {
			return to
		}
		return append(to, logsink.Attr{Key: prefix + a.Key, Value: v.String()})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, b := range v.Group() {
		to = flatten(to, prefix, b)
	}
	return to
}

package syslog

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Spec describes the plugin.
func Spec(version string) plugin.Spec {
	var current atomic.Pointer[Sink]
	return plugin.Spec{
		Name: "syslog", Version: version, Vendor: "racoon", Processors: 1,
		Schema:     schema(),
		Privileges: plugin.Privileges{User: "racoon-log"},
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			_, diags := configure(v)
			return diags
		},
		Log: func(_ context.Context, v config.Value, _ plugin.Env) (logsink.Sink, config.Diagnostics) {
			s, diags := configure(v)
			if s == nil {
				return nil, diags
			}
			current.Store(s)
			return s, diags
		},
		Health: func(context.Context) plugin.Health {
			if s := current.Load(); s != nil {
				return s.health()
			}
			return plugin.Health{State: plugin.Degraded, Detail: "not configured"}
		},
	}
}

func schema() *config.Schema {
	return &config.Schema{
		Version:     1,
		Description: "The daemon's log to the local syslog daemon",
		Body: config.Body{Attrs: []config.Attr{
			{Name: "facility", Type: "string", Default: `"daemon"`, OneOf: slices.Sorted(maps.Keys(facilities)), Doc: "Facility of every message."},
			{Name: "ident", Type: "string", Default: `"racoon"`, Doc: "The program name before every message: 1 to 32 printable ASCII characters without blanks and colons."},
			{Name: "socket", Type: "string", Default: `""`, Kind: config.FilePath, Doc: "The syslog daemon's datagram socket. Without it: " + strings.Join(sockets[:], ", ") + ", the first that is there."},
		}},
	}
}

// configure makes an instance. It does not connect: the syslog daemon may be
// started after us.
func configure(v config.Value) (*Sink, config.Diagnostics) {
	c := struct {
		Facility string `json:"facility"`
		Ident    string `json:"ident"`
		Socket   string `json:"socket"`
	}{Facility: "daemon", Ident: "racoon"}
	if err := v.Decode(&c); err != nil {
		return nil, config.Diagnostics{{Severity: config.Error, Summary: "the configuration is not as described by the schema", Detail: err.Error()}}
	}
	s := &Sink{paths: sockets[:], ident: c.Ident}
	var diags config.Diagnostics
	wrong := func(name, value, want string) {
		diags = append(diags, config.Diagnostic{Severity: config.Error, Path: []string{name},
			Summary: fmt.Sprintf("%q is no %s", value, name), Detail: want})
	}
	var ok bool
	if s.facility, ok = facilities[c.Facility]; !ok {
		wrong("facility", c.Facility, "known are "+strings.Join(slices.Sorted(maps.Keys(facilities)), ", "))
	}
	if n := len(c.Ident); n == 0 || n > 32 || strings.ContainsFunc(c.Ident, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		wrong("ident", c.Ident, "1 to 32 printable ASCII characters without blanks and colons are allowed")
	}
	if c.Socket != "" {
		s.paths = []string{c.Socket}
		if !filepath.IsAbs(c.Socket) {
			wrong("socket", c.Socket, "an absolute path is needed")
		}
	}
	if diags != nil {
		return nil, diags
	}
	return s, nil
}

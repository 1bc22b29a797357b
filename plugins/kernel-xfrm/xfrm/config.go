//go:build linux

package xfrm

import (
	"fmt"
	"strconv"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

// Config is the plugin's configuration.
type Config struct {
	// ReplayWindow is the anti-replay window of inbound SAs that name none, in
	// packets, 32 to 4096.
	ReplayWindow uint32 `json:"replay_window"`
	// EventBuffer is the size of the kernel's queue of events to us, in kB.
	EventBuffer uint32 `json:"event_buffer"`
	// Offload is the interface whose hardware is to do the ESP of SAs that name none;
	// empty is none.
	Offload string `json:"offload"`
	// DumpKeys lets Dump give out keys. For setkey(8) only.
	DumpKeys bool `json:"dump_keys"`
}

// Defaults.
const (
	defaultWindow      = 64
	defaultEventBuffer = 2048
)

// Schema declares Config.
func Schema() *config.Schema {
	num := func(f float64) *float64 { return &f }
	return &config.Schema{
		Version:     1,
		Description: "Linux kernel IPsec (XFRM netlink)",
		Body: config.Body{Attrs: []config.Attr{
			{
				Name: "replay_window", Type: "number", Default: strconv.Itoa(defaultWindow),
				Min: num(replayLegacy), Max: num(replayESNMax),
				Doc: "anti-replay window of inbound SAs, in packets; it cannot be turned off",
			},
			{
				Name: "event_buffer", Type: "number", Default: strconv.Itoa(defaultEventBuffer),
				Min: num(64), Max: num(1 << 20),
				Doc: "kernel buffer for events not yet read, in kB; when it overflows the engine reads everything anew",
			},
			{
				Name: "offload", Type: "string", Default: `""`,
				Doc: "network interface whose hardware does ESP, where it can; not for ESP in UDP",
			},
			{
				Name: "dump_keys", Type: "bool", Default: "false",
				Doc: "give out keys of SAs when asked; for setkey -D only",
			},
		}},
	}
}

// ParseConfig decodes v. A value out of range is a diagnostic that names it.
func ParseConfig(v config.Value) (Config, config.Diagnostics) {
	cfg := Config{ReplayWindow: defaultWindow, EventBuffer: defaultEventBuffer}
	if len(v.JSON) > 0 {
		if err := v.Decode(&cfg); err != nil {
			return cfg, config.Diagnostics{{Severity: config.Error, Summary: "Invalid configuration", Detail: err.Error(), Code: "XFRM001"}}
		}
	}
	if err := cfg.check(); err != nil {
		return cfg, config.Diagnostics{{
			Severity: config.Error, Summary: "Value out of range", Detail: err.Error(), Code: "XFRM002",
			Path: []string{err.(*rangeError).name}, Fix: fmt.Sprintf("a number from %d to %d", err.(*rangeError).min, err.(*rangeError).max),
		}}
	}
	return cfg, nil
}

type rangeError struct {
	name          string
	got, min, max uint32
}

func (e *rangeError) Error() string {
	return fmt.Sprintf("%s is %d; it may be %d to %d", e.name, e.got, e.min, e.max)
}

func (c Config) check() error {
	for _, r := range []rangeError{
		{"replay_window", c.ReplayWindow, replayLegacy, replayESNMax},
		{"event_buffer", c.EventBuffer, 64, 1 << 20},
	} {
		if r.got < r.min || r.got > r.max {
			return &r
		}
	}
	return nil
}

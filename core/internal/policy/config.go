// Package policy holds the configuration as plain immutable values: what a
// racoon.conf or racoon.hcl says, after parsing and before anyone acts on it.
// It knows nothing of wire formats, plugins or files; numbers are the IANA
// values of RFC 2407 and RFC 2409, so that no layer has to translate twice.
//
// A *Config is never changed once built. The engine swaps whole snapshots, and an
// exchange ends under the snapshot it began with.
package policy

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is one snapshot.
type Config struct {
	Generation uint64 // rises with every successful (re)load
	File       string // where it was read from, "" if built in memory

	Log     LogLevel
	Paths   Paths
	Listen  Listen
	Timer   Timer
	Padding Padding

	ComplexBundle bool // each SA of a bundle in its own mode; default true

	ModeCfg ModeCfg
	RADIUS  *RADIUS // nil: the library's own configuration
	LDAP    *LDAP

	Remotes []*Remote // in file order
	SAInfos []*SAInfo // of equal priority the earlier one is tried first (racoon.conf(5): remoteid, from, local and remote id raise it)
}

// LogLevel is the classic scale of the log directive.
type LogLevel int8

// Levels of racoon.conf(5), most important first. The zero value is Info.
const (
	LogError   LogLevel = -3
	LogWarning LogLevel = -2
	LogNotify  LogLevel = -1
	LogInfo    LogLevel = 0
	LogDebug   LogLevel = 1
	LogDebug2  LogLevel = 2
)

func (l LogLevel) String() string {
	return [...]string{"error", "warning", "notify", "info", "debug", "debug2"}[min(max(l, LogError), LogDebug2)-LogError]
}

// MarshalText makes a JSON model readable.
func (l LogLevel) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Level is the same on slog's scale, where racoon's notify and debug2 have places
// of their own.
func (l LogLevel) Level() slog.Level {
	levels := [...]slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo + 2, slog.LevelInfo, slog.LevelDebug, slog.LevelDebug - 4}
	return levels[min(max(l, LogError), LogDebug2)-LogError]
}

// Paths are the path directives, absolute.
type Paths struct {
	Include, PreSharedKey, Certificate, Script, BackupSA, PidFile, LogFile string
}

// Listen says where IKE is spoken. No address means every local address.
type Listen struct {
	ISAKMP     []netip.AddrPort // port 500 unless given
	ISAKMPNATT []netip.AddrPort // with UDP encapsulation
	Strict     bool             // strict_address: every address must bind, none is followed
	AdminSock  AdminSock
}

// AdminSock is the control socket.
type AdminSock struct {
	Disabled     bool
	Path         string // "" = default
	Owner, Group string // names or numbers; "" = the daemon's
	Mode         uint32 // permission bits, 0 = 0600
}

// Timer is the timer section, defaults filled in.
type Timer struct {
	Counter       int           // transmissions of a message that wants an answer
	Interval      time.Duration // between them
	PerSend       int           // copies per transmission
	Phase1        time.Duration // how long a request waits for a phase 1
	Phase2        time.Duration // how long a quick mode may take
	NATTKeepalive time.Duration // 0 = off
}

// DefaultTimer is what racoon does without a timer section.
func DefaultTimer() Timer {
	return Timer{Counter: 5, Interval: 10 * time.Second, PerSend: 1,
		Phase1: 30 * time.Second, Phase2: 30 * time.Second, NATTKeepalive: 20 * time.Second}
}

// Padding is the padding section: how encrypted messages are filled up.
type Padding struct {
	Randomize       bool // random filler
	RandomizeLength bool // add up to MaximumLength+1 blocks
	MaximumLength   uint8
	ExclusiveTail   bool // last octet = pad length - 1
	StrictCheck     bool // verify the tail on receipt
}

// DefaultPadding is what racoon does without a padding section.
func DefaultPadding() Padding {
	return Padding{Randomize: true, MaximumLength: 20, ExclusiveTail: true}
}

// Position is a place in a configuration file.
type Position struct {
	File string
	Line int // from 1; 0 = unknown
}

package pluginhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Kinds of plugins.
const (
	KindAuth   = "auth"
	KindKernel = "kernel"
	KindLog    = "log"
)

// services names the main service of each kind: newest first, when there are more.
var services = map[string]string{
	KindAuth:   plugingrpc.AuthService,
	KindKernel: plugingrpc.KernelService,
	KindLog:    plugingrpc.LogService,
}

// TransportUnix is a plain Unix socket instead of AutoMTLS, for languages where
// TLS is a burden. The peer's process id is checked in both cases.
const TransportUnix = "unix"

// Spec says which plugin to run and how.
type Spec struct {
	Kind, Name string
	Path       string // of the executable; "": found in the plugin directories
	SHA256     string // hexadecimal digest the executable must have; "": not checked

	// Config is the plugin's configuration. Decode, if set, makes it from the schema
	// of the plugin that was started, at each start.
	Config     json.RawMessage
	Decode     func(*config.Schema) (json.RawMessage, error)
	Generation uint64
	StateDir   string // writable by this plugin's uid only; may be ""
	LogLevel   slog.Level

	// UID and GID the process drops to, keeping Capabilities ("CAP_NET_ADMIN"), where
	// the host is root. 0: stays what the host is.
	UID, GID     int
	Capabilities []string

	Transport string   // "" or TransportUnix
	Env       []string // added to a clean environment
	Critical  bool     // its first death is final: state Failed

	// InProcess runs this plugin over an in-memory connection in our own process
	// instead of an executable: for tests and benchmarks.
	InProcess *plugin.Spec
}

// Plugin names a plugin in logs, states and notices.
type Plugin struct{ Kind, Name string }

func (p Plugin) String() string { return p.Kind + "/" + p.Name }

func (s *Spec) plugin() Plugin { return Plugin{s.Kind, s.Name} }

// ConfigError is a configuration the plugin refused.
type ConfigError struct {
	Plugin      Plugin
	Diagnostics config.Diagnostics
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s refused its configuration", e.Plugin)
	for _, d := range e.Diagnostics {
		if d.Severity != config.Error {
			continue
		}
		fmt.Fprintf(&b, "; %s", d.Summary)
		if d.Detail != "" {
			fmt.Fprintf(&b, ": %s", d.Detail)
		}
	}
	return b.String()
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func (s *Spec) check() error {
	switch {
	case services[s.Kind] == "":
		return fmt.Errorf("plugin kind %q is unknown: auth, kernel or log", s.Kind)
	case !validName.MatchString(s.Name):
		return fmt.Errorf("plugin name %q: want up to 32 lower-case letters, digits and dashes", s.Name)
	case s.Transport != "" && s.Transport != TransportUnix:
		return fmt.Errorf("plugin %s: transport %q is unknown: leave it out or write %q", s.plugin(), s.Transport, TransportUnix)
	case s.Transport == TransportUnix && !peerPIDKnown:
		return fmt.Errorf("plugin %s: transport %q needs a platform that tells the peer's process id", s.plugin(), TransportUnix)
	}
	return nil
}

// DefaultPluginDir is libexec/racoon/plugins beside the directory of the running
// executable.
func DefaultPluginDir() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find plugin directory: %w", err)
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return "", fmt.Errorf("find plugin directory: %w", err)
	}
	return filepath.Join(filepath.Dir(exe), "..", "libexec", "racoon", "plugins"), nil
}

// Binary is the file name of a plugin's executable.
func Binary(p Plugin) string { return "racoon-" + p.Kind + "-" + p.Name }

// find is the executable of s. Only plugins the configuration names are looked for.
func (h *Host) find(s *Spec) (string, error) {
	if s.Path != "" {
		return s.Path, nil
	}
	for _, dir := range h.dirs {
		path := filepath.Join(dir, Binary(s.plugin()))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("plugin %s: %w", s.plugin(), err)
		}
	}
	return "", fmt.Errorf("plugin %s: no %s in %s", s.plugin(), Binary(s.plugin()), strings.Join(h.dirs, " or "))
}

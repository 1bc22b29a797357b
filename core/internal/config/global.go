package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// logLevels are the words of the log directive; those after debug2 are Apple's.
var logLevels = map[string]policy.LogLevel{"error": policy.LogError, "warning": policy.LogWarning,
	"notify": policy.LogNotify, "info": policy.LogInfo, "debug": policy.LogDebug, "debug2": policy.LogDebug2,
	"debug3": policy.LogDebug2, "debug4": policy.LogDebug2}

// aslLevels are Apple's quoted levels.
var aslLevels = map[string]policy.LogLevel{"Emergency": policy.LogError, "Alert": policy.LogError,
	"Critical": policy.LogError, "Error": policy.LogError, "Warning": policy.LogWarning,
	"Notice": policy.LogNotify, "Info": policy.LogInfo, "Debug": policy.LogDebug}

// globalDirectives are those of the top level, and the small sections.
func globalDirectives() []directive {
	return append([]directive{
		{name: "path include", args: "STRING", doc: "directory of the files named by include", set: setPath(func(p *policy.Paths) *string { return &p.Include })},
		{name: "path pre_shared_key", args: "STRING", doc: "file with the pre-shared keys, see psk.txt", set: setPath(func(p *policy.Paths) *string { return &p.PreSharedKey })},
		{name: "path certificate", args: "STRING", doc: "directory of certificates and keys", set: setPath(func(p *policy.Paths) *string { return &p.Certificate })},
		{name: "path script", args: "STRING", from: ipsecTools, doc: "directory of hook scripts", set: setPath(func(p *policy.Paths) *string { return &p.Script })},
		{name: "path backupsa", args: "STRING", from: ipsecTools, doc: "file the inbound SAs are saved to, with their keys, for racoon -B", set: setBackup},
		{name: "allow_legacy", args: "DATE", header: true, doc: "until this day, legacy algorithms are accepted", set: setLegacy},
		{name: "path pidfile", args: "STRING", doc: "file with the process ID; relative to /var/run", set: setPath(func(p *policy.Paths) *string { return &p.PidFile })},
		{name: "path logfile", args: "STRING", from: apple, doc: "log to this file, as -l", set: setPath(func(p *policy.Paths) *string { return &p.LogFile })},
		{name: "include", fields: "file", args: "STRING", doc: "read other files; the name is a pattern", set: (*parser).include},
		{name: "log", hcl: "log.level", args: "error|warning|notify|info|debug|debug2|debug3|debug4|STRING", doc: "how much is logged", def: "info", set: setLog},
		{name: "pfkey_buffer", args: "NUMBER", from: ipsecTools, hcl: "-", why: `belongs in the block of the plugin: plugin "kernel" "pfkey" { config { pfkey_buffer = NUMBER } }`,
			doc: "buffer of kernel/pfkey for events, in kB", set: func(p *parser, a []arg) { p.pfkeyBuffer = &a[0] }},
		{name: "gss_id_enc", args: "latin1|utf-16le", from: ipsecTools, state: mapped, why: "GSSAPI authentication is not supported", doc: "encoding of GSS identities"},
		{name: "complex_bundle", args: "SWITCH", from: ipsecTools, doc: "each SA of a bundle is proposed with its own mode; off: with a tunnel in it as tunnels only", def: "on", set: setSwitch(func(p *parser) *bool { return &p.cfg.ComplexBundle })},
		{name: "identifier vendor_id", args: "STRING", from: apple, state: mapped, why: "it is obsolete, use my_identifier in remote", doc: "obsolete"},
		{name: "identifier", args: "address|fqdn|user_fqdn|keyid|asn1dn|keyid_use|certname STRING", from: apple, state: mapped, why: "it is obsolete, use my_identifier in remote", doc: "obsolete"},
		{name: "padding", doc: "padding of encrypted messages", body: inPadding},
		{name: "timer", doc: "retransmission and waiting times", body: inTimer},
		{name: "privsep", from: ipsecTools, state: mapped, why: "keys and the kernel are held by plugin processes of their own, which is how racoon separates privileges", doc: "privilege separation", body: inPrivsep},

		{in: inPadding, name: "randomize", args: "SWITCH", doc: "random filler", def: "on", set: setSwitch(func(p *parser) *bool { return &p.cfg.Padding.Randomize })},
		{in: inPadding, name: "randomize_length", args: "SWITCH", doc: "add a random number of whole blocks", def: "off", set: setSwitch(func(p *parser) *bool { return &p.cfg.Padding.RandomizeLength })},
		{in: inPadding, name: "strict_check", args: "SWITCH", doc: "go by the length of the padding received", def: "off", set: setSwitch(func(p *parser) *bool { return &p.cfg.Padding.StrictCheck })},
		{in: inPadding, name: "exclusive_tail", args: "SWITCH", doc: "the last octet holds the length less one", def: "on", set: setSwitch(func(p *parser) *bool { return &p.cfg.Padding.ExclusiveTail })},
		{in: inPadding, name: "maximum_length", args: "NUMBER", doc: "randomize_length adds 1 to this + 1 blocks", def: "20", set: func(p *parser, a []arg) {
			p.count(a[0], 0, 255, func(n int) { p.cfg.Padding.MaximumLength = uint8(n) })
		}},

		{in: inTimer, name: "counter", args: "NUMBER", doc: "transmissions of one message", def: "5", set: setCount(1, 1000, func(p *parser) *int { return &p.cfg.Timer.Counter })},
		{in: inTimer, name: "persend", args: "NUMBER", doc: "copies of each transmission", def: "1", set: setCount(1, 100, func(p *parser) *int { return &p.cfg.Timer.PerSend })},
		{in: inTimer, name: "interval", args: "DURATION", doc: "time between transmissions", def: "10 sec", set: setTime(1, func(p *parser) *time.Duration { return &p.cfg.Timer.Interval })},
		{in: inTimer, name: "phase1", args: "DURATION", doc: "how long a request waits for phase 1", def: "30 sec", set: setTime(1, func(p *parser) *time.Duration { return &p.cfg.Timer.Phase1 })},
		{in: inTimer, name: "phase2", args: "DURATION", doc: "how long phase 2 may take", def: "30 sec", set: setTime(1, func(p *parser) *time.Duration { return &p.cfg.Timer.Phase2 })},
		{in: inTimer, name: "natt_keepalive", args: "DURATION", doc: "NAT keepalive period, 0 sec = off", def: "20 sec", set: setTime(0, func(p *parser) *time.Duration { return &p.cfg.Timer.NATTKeepalive })},
		{in: inTimer, name: "auto_exit_delay", args: "DURATION", from: apple, state: mapped, why: "racoon is no per-connection client and stays until it is told to end", doc: "exit when idle"},

		{in: inPrivsep, name: "user", args: "STRING|NUMBER", from: ipsecTools, doc: "user of the unprivileged process"},
		{in: inPrivsep, name: "group", args: "STRING|NUMBER", from: ipsecTools, doc: "group of the unprivileged process"},
		{in: inPrivsep, name: "chroot", args: "STRING", from: ipsecTools, doc: "root directory of the unprivileged process"},
	}, userSources()...)
}

// setPath makes a relative path absolute against the directory of the file it
// stands in; only the pid file is looked for in the run directory instead.
func setPath(field func(*policy.Paths) *string) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		f := field(&p.cfg.Paths)
		switch path := a[0].text; {
		case path == "":
			p.errorf(a[0].token, "is an empty path")
		case f == &p.cfg.Paths.PidFile && !filepath.IsAbs(path):
			*f = filepath.Join(runDir, path)
		default:
			*f = p.absolute(a[0].token, path)
		}
		if f == &p.cfg.Paths.PreSharedKey {
			p.pskAt = position(a[0].token)
		}
	}
}

func setBackup(p *parser, a []arg) {
	setPath(func(p *policy.Paths) *string { return &p.BackupSA })(p, a)
	p.add(a[0].token, codeKeysOnDisk, Warning, "will have the keys of SAs in it, which are nowhere else on disk", "")
}

// runDir is where a relative pid file is.
const runDir = "/var/run"

// absolute joins a relative path with the directory of the file that names it.
func (p *parser) absolute(t token, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	if t.src.name == p.cfg.File && p.relative.Line == 0 {
		p.relative = position(t)
	}
	dir, err := filepath.Abs(filepath.Dir(t.src.name))
	if err != nil { // no current directory: what was written is the best there is
		return path
	}
	return filepath.Join(dir, path)
}

func setLog(p *parser, a []arg) {
	if a[0].kind == str {
		level, ok := aslLevels[a[0].text]
		if !ok {
			p.errorf(a[0].token, "is no log level")
			return
		}
		p.cfg.Log = level
		return
	}
	p.cfg.Log = logLevels[a[0].text]
}

func setSwitch(field func(*parser) *bool) func(*parser, []arg) {
	return func(p *parser, a []arg) { *field(p) = a[0].n == 1 }
}

func setCount(low, high uint64, field func(*parser) *int) func(*parser, []arg) {
	return func(p *parser, a []arg) { p.count(a[0], low, high, func(n int) { *field(p) = n }) }
}

// count sets a number within bounds.
func (p *parser) count(a arg, low, high uint64, set func(int)) {
	if a.n < low || a.n > high {
		p.errorf(a.token, "is out of range: %d to %d", low, high)
		return
	}
	set(int(a.n))
}

// maxTime bounds every time: an SA life of 32 bits of seconds (RFC 2407 section 4.5).
const maxTime = 1<<32 - 1

func setTime(low uint64, field func(*parser) *time.Duration) func(*parser, []arg) {
	return func(p *parser, a []arg) { p.time(a[0], low, field(p)) }
}

// time sets a number of seconds.
func (p *parser) time(a arg, low uint64, to *time.Duration) {
	if a.n < low || a.n > maxTime {
		total := ""
		if a.text != strconv.FormatUint(a.n, 10) { // in another unit
			total = fmt.Sprintf("is %d seconds and ", a.n)
		}
		p.errorf(a.token, "%sis out of range: %d to %d seconds", total, low, uint64(maxTime))
		return
	}
	*to = time.Duration(a.n) * time.Second
}

// listenDirectives are those of the listen section.
func listenDirectives() []directive {
	return []directive{
		{name: "listen", doc: "where IKE is spoken; nothing listed: on every local address", body: inListen},
		{in: inListen, name: "isakmp", many: true, args: "ENDPOINT", doc: "an address to listen on, port 500 unless given", set: func(p *parser, a []arg) {
			p.listen(a[0], &p.cfg.Listen.ISAKMP)
		}},
		{in: inListen, name: "isakmp_natt", many: true, args: "ENDPOINT", doc: "the same with UDP encapsulation, port 500 unless given", set: func(p *parser, a []arg) {
			if !a[0].keyed {
				p.add(a[0].token, codeNATTPort, Warning, "is listened on at port 500, where the other side does not expect encapsulation", p.write(a[0].token, inListen, "isakmp_natt "+a[0].text+" [4500];"))
			}
			p.listen(a[0], &p.cfg.Listen.ISAKMPNATT)
		}},
		{in: inListen, name: "strict_address", doc: "every listed address must be there at the start", set: func(p *parser, _ []arg) { p.cfg.Listen.Strict = true }},
		{in: inListen, name: "adminsock disabled", doc: "no control socket", set: func(p *parser, _ []arg) { p.cfg.Listen.AdminSock.Disabled = true }},
		{in: inListen, name: "adminsock", fields: "path owner group mode", args: "STRING [ STRING STRING NUMBER ]", doc: "control socket: path, owner, group and octal mode", set: setAdminSock},
		{in: inListen, name: "admin", args: "[ PORT ]", from: apple, state: refused, why: "is obsolete", doc: "obsolete"},
	}
}

func (p *parser) listen(a arg, to *[]netip.AddrPort) {
	addr := a.addr
	if addr.IsMulticast() {
		p.errorf(a.token, "is a multicast address")
		return
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "" {
		p.errorf(a.token, "is a link-local address: it needs its interface, as fe80::1%%eth0")
		return
	}
	number := uint16(500)
	if a.keyed {
		number = uint16(a.n)
	}
	if number == 0 {
		p.errorf(a.token, "has no port to listen on")
		return
	}
	*to = append(*to, netip.AddrPortFrom(addr.Unmap(), number))
}

// setAdminSock reads the mode as plain octal and keeps the names; whoever opens the
// socket resolves them, and refuses unknown ones.
func setAdminSock(p *parser, a []arg) {
	sock := policy.AdminSock{Path: a[0].text, Owner: a[1].text, Group: a[2].text}
	switch ext := filepath.Ext(sock.Path); {
	case !filepath.IsAbs(sock.Path):
		p.add(a[0].token, codeValue, Error, "is no absolute path", "")
		return
	case slices.Contains(strings.Split(sock.Path, "/"), ".."):
		p.add(a[0].token, codeValue, Error, "goes through ..", "write the path without")
		return
	case ext != ".sock" && ext != ".socket":
		p.add(a[0].token, codeValue, Error, "is no name of a socket: it ends in .sock or .socket", "")
		return
	}
	if a[3].ok {
		mode, err := strconv.ParseUint(a[3].text, 8, 32)
		if err != nil || mode > 0o777 {
			p.errorf(a[3].token, "is no octal mode from 0 to 777")
			return
		}
		sock.Mode = uint32(mode)
	}
	p.cfg.Listen.AdminSock = sock
}

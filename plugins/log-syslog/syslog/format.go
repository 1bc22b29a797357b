package syslog

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// maxMessage is what a line may have of octets: rsyslog's limit, and well below
// every system's datagram.
const maxMessage = 8192

// Severities of RFC 3164 section 4.1.1.
const (
	sevErr     = 3
	sevWarning = 4
	sevNotice  = 5
	sevInfo    = 6
	sevDebug   = 7
)

// levels maps racoon's levels, each with its own severity; a level in between
// counts as the next lower one.
var levels = [...]struct {
	from     logsink.Level
	name     string
	severity int
}{
	{8, "ERROR", sevErr},
	{4, "WARNING", sevWarning},
	{2, "NOTIFY", sevNotice},
	{0, "INFO", sevInfo},
	{-4, "DEBUG", sevDebug},
	{-128, "DEBUG2", sevDebug},
}

func nameOf(l logsink.Level) (string, int) {
	for _, x := range levels {
		if l >= x.from {
			return x.name, x.severity
		}
	}
	return "DEBUG2", sevDebug
}

// facilities are the names syslog.conf(5) has for them.
var facilities = map[string]int{
	"user": 1, "daemon": 3, "auth": 4, "authpriv": 10,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// packet is a record as syslog(3) sends it to the local daemon: no host name, and
// no process number, as racoon always had it.
func packet(facility int, ident string, r *logsink.Record) []byte {
	name, severity := nameOf(r.Level)
	b := make([]byte, 0, 256)
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(facility<<3|severity), 10)
	b = append(b, '>')
	b = r.Time.Local().AppendFormat(b, time.Stamp)
	b = append(b, ' ')
	b = append(b, ident...)
	b = append(b, ": "...)
	b = append(b, name...)
	b = append(b, ": "...)
	b = appendText(b, r.Msg)
	if r.Source != "" && r.Source != "engine" {
		b = appendAttr(b, logsink.Attr{Key: "source", Value: r.Source})
	}
	for _, a := range r.Attrs {
		b = appendAttr(b, a)
	}
	return cut(b)
}

// appendAttr writes ` key=value`, the value quoted where it would not be clear
// where it ends.
func appendAttr(b []byte, a logsink.Attr) []byte {
	b = append(b, ' ')
	for _, r := range a.Key {
		if r <= ' ' || r == '=' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '_'
		}
		b = utf8.AppendRune(b, r)
	}
	b = append(b, '=')
	if a.Value == "" || strings.ContainsFunc(a.Value, needsQuotes) {
		return strconv.AppendQuote(b, a.Value)
	}
	return append(b, a.Value...)
}

func needsQuotes(r rune) bool {
	return r == ' ' || r == '=' || r == '"' || r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r)
}

// appendText writes text with everything that is not printable escaped: a peer
// must not be able to begin a line of its own.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == '\\' || !unicode.IsPrint(r) || r == utf8.RuneError {
			q := strconv.Quote(s[i : i+n])
			b = append(b, q[1:len(q)-1]...)
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}

// cut shortens a line that is too long, between two characters.
func cut(b []byte) []byte {
	if len(b) <= maxMessage {
		return b
	}
	end := maxMessage - len("...")
	for end > 0 && !utf8.RuneStart(b[end]) {
		end--
	}
	return append(b[:end], "..."...)
}

package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Show is a configuration as racoon has understood it, in the classic language:
// profiles, includes and inheritance expanded, defaults filled in. It reads back as
// an equal model, but for secrets, which are not shown.
// A string with a double quote, which HCL has, is written with it, although the classic
// language cannot read it.
func Show(c *policy.Config) string { return strings.ReplaceAll(show(c), doubleQuote, `"`) }

// show is Show with another sign for double quotes inside strings.
func show(c *policy.Config) string {
	w := &shower{}
	w.global(c)
	w.users(c)
	for _, r := range c.Remotes {
		w.remote(r)
	}
	for _, s := range c.SAInfos {
		w.sainfo(s)
	}
	return w.b.String()
}

// ShowHCL is Show in HCL.
func ShowHCL(c *policy.Config) string {
	p := newParser("racoon.conf")
	p.readFile = func(string) ([]byte, error) { return []byte(hidden), nil } // what a keyid file holds is not written
	p.executable = func(string) string { return "" }                         // c has been read already
	root := &statement{}
	p.record = root
	p.main(show(c))
	w := &hclWriter{lang: p.lang, secret: func(arg) string { return "file:" + hidden }}
	return strings.ReplaceAll(format(w.nodes(root.body), root.last), doubleQuote, `\"`)
}

// Describe is a remote section on one line: what -C logs.
func Describe(r *policy.Remote) string {
	w := &shower{}
	w.remote(r)
	return strings.ReplaceAll(strings.Join(strings.Fields(w.b.String()), " "), doubleQuote, `"`)
}

// hidden stands for a secret.
const hidden = "not-shown"

// doubleQuote stands for a double quote inside a string while it is written: a classic
// string has no way to say it.
const doubleQuote = "\ufffc"

// quoted is a string of the classic language, which has no escapes.
func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, doubleQuote) + `"` }

type shower struct {
	b      strings.Builder
	indent string
}

// line writes a statement.
func (w *shower) line(format string, a ...any) {
	w.b.WriteString(w.indent + fmt.Sprintf(format, a...) + ";\n")
}

// text writes a statement with a string, if there is one.
func (w *shower) text(name, value string) {
	if value != "" {
		w.line("%s %s", name, quoted(value))
	}
}

func (w *shower) onOff(name string, v bool) {
	w.line("%s %s", name, map[bool]string{true: "on", false: "off"}[v])
}

// block writes what fill writes in braces.
func (w *shower) block(head string, fill func()) {
	w.b.WriteString(w.indent + head + " {\n")
	w.indent += "\t"
	fill()
	w.indent = w.indent[1:]
	w.b.WriteString(w.indent + "}\n")
}

func (w *shower) time(name string, d time.Duration) {
	w.line("%s %s", name, duration(uint64(d/time.Second)))
}

func (w *shower) global(c *policy.Config) {
	for _, p := range []struct{ kind, value string }{{"include", c.Paths.Include}, {"pre_shared_key", c.Paths.PreSharedKey},
		{"certificate", c.Paths.Certificate}, {"script", c.Paths.Script}, {"backupsa", c.Paths.BackupSA},
		{"pidfile", c.Paths.PidFile}, {"logfile", c.Paths.LogFile}} {
		w.text("path "+p.kind, p.value)
	}
	w.line("log %s", c.Log)
	w.onOff("complex_bundle", c.ComplexBundle)
	w.block("padding", func() {
		w.onOff("randomize", c.Padding.Randomize)
		w.onOff("randomize_length", c.Padding.RandomizeLength)
		w.line("maximum_length %d", c.Padding.MaximumLength)
		w.onOff("exclusive_tail", c.Padding.ExclusiveTail)
		w.onOff("strict_check", c.Padding.StrictCheck)
	})
	w.block("timer", func() {
		w.line("counter %d", c.Timer.Counter)
		w.time("interval", c.Timer.Interval)
		w.line("persend %d", c.Timer.PerSend)
		w.time("phase1", c.Timer.Phase1)
		w.time("phase2", c.Timer.Phase2)
		w.time("natt_keepalive", c.Timer.NATTKeepalive)
	})
	w.block("listen", func() { w.listen(&c.Listen) })
}

func (w *shower) listen(l *policy.Listen) {
	for _, a := range l.ISAKMP {
		w.line("isakmp %s [%d]", a.Addr(), a.Port())
	}
	for _, a := range l.ISAKMPNATT {
		w.line("isakmp_natt %s [%d]", a.Addr(), a.Port())
	}
	if l.Strict {
		w.line("strict_address")
	}
	switch s := l.AdminSock; {
	case s.Disabled:
		w.line("adminsock disabled")
	case s.Owner != "" || s.Group != "" || s.Mode != 0:
		w.line("adminsock %s %s %s %o", quoted(s.Path), quoted(s.Owner), quoted(s.Group), s.Mode)
	default:
		w.text("adminsock", s.Path)
	}
}

func (w *shower) sainfo(s *policy.SAInfo) {
	end := func(id *policy.SAID) string {
		if id == nil {
			return "anonymous"
		}
		return phase2Text(id)
	}
	head := "sainfo " + end(s.Local)
	switch {
	case s.ClientAddr:
		head += " clientaddr"
	case s.Local != nil || s.Remote != nil:
		head += " " + end(s.Remote)
	}
	if s.From != nil {
		head += " from " + identityText(s.From)
	} else if s.Group != "" {
		head += " group " + quoted(s.Group)
	}
	w.block(head, func() {
		if s.PFSGroup != 0 {
			w.line("pfs_group %s", algorithmName(groups, s.PFSGroup, 0))
		}
		w.line("remoteid %d", s.RemoteID)
		w.time("lifetime time", s.Lifetime)
		if s.LifetimeKB != 0 {
			w.line("lifetime_kb %d", s.LifetimeKB)
		}
		if s.ESN != policy.Off {
			w.line("esn %s", s.ESN)
		}
		for _, l := range []struct {
			name  string
			table []algorithm
			list  []policy.Algorithm
		}{{"encryption_algorithm", espCiphers, s.Encryption}, {"authentication_algorithm", espAuths, s.Auth}, {"compression_algorithm", compressions, s.Comp}} {
			names := make([]string, len(l.list))
			for i, a := range l.list {
				names[i] = algorithmName(l.table, a.ID, a.KeyBits)
			}
			if len(names) > 0 {
				w.line("%s %s", l.name, strings.Join(names, ", "))
			}
		}
	})
}

// identityText is an identity in the words of racoon.conf, made of Text.
func identityText(id *policy.Identity) string {
	words := strings.SplitN(id.Text, " ", 2)
	if words[0] == "keyid" && len(words) > 1 {
		qual, value, _ := strings.Cut(words[1], " ")
		return "keyid " + qual + " " + quoted(value)
	}
	if len(words) == 1 {
		return words[0]
	}
	return words[0] + " " + quoted(words[1])
}

// phase2Text is a phase 2 identity in the words of racoon.conf, made of Text.
func phase2Text(id *policy.SAID) string {
	if slices.Contains([]uint8{policy.IDFQDN, policy.IDUserFQDN, policy.IDKeyID}, id.Type) {
		typ, value, _ := strings.Cut(id.Text, " ")
		return typ + " " + quoted(value)
	}
	return "address " + strings.Replace(id.Text, "[", " [", 1)
}

// algorithmName is the first name of a number, which is the preferred one.
func algorithmName(table []algorithm, id, bits uint16) string {
	for _, row := range table {
		if row.id == id && row.never == "" {
			if bits > 0 {
				return fmt.Sprintf("%s %d", row.name, bits)
			}
			return row.name
		}
	}
	return fmt.Sprint(id)
}

// addresses joins addresses with commas.
func addresses(list []netip.Addr) string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return strings.Join(out, ", ")
}

package swanctl

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// sharedKey is one section of secrets.
type sharedKey struct {
	kind  string // the prefix of the section's name
	at    Position
	names []string // whom it is for, as written
	ids   []identity
	key   []byte // nil: there is none, or it cannot be read
	file  string // of a private key
	empty bool   // it names nobody: it is for everybody
}

// secretKinds are the sections of secrets; the first prefix that fits counts. What
// has words is not carried over.
var secretKinds = []struct{ prefix, words string }{
	{"ike", ""}, {"eap", ""}, {"xauth", ""},
	{"private", encrypted}, {"rsa", encrypted}, {"ecdsa", encrypted}, {"pkcs8", encrypted}, {"pkcs12", "racoon does not read PKCS#12: take certificate and key out of it"},
	{"ntlm", "belongs to IKEv2"}, {"ppk", "belongs to IKEv2"}, {"token", "racoon does not use keys on a token"},
}

const encrypted = "racoon reads private keys that are not encrypted: decrypt it, or leave it out if it is not"

// readSecrets reads the section secrets. No note says anything of what stands in
// it but where: a file with a mistake may have a secret anywhere.
func (im *importer) readSecrets() {
	top := im.root.sub("secrets")
	if top == nil {
		return
	}
	all := im.whole(top)
	for _, v := range all.settings {
		im.note(v.at, Warning, "a setting cannot stand in secrets itself: it belongs into a section")
	}
	for _, s := range all.sections {
		i := slices.IndexFunc(secretKinds, func(k struct{ prefix, words string }) bool {
			return strings.HasPrefix(strings.ToLower(s.name), k.prefix)
		})
		if i < 0 {
			im.note(s.at, Warning, "swanctl.conf(5) has no such kind of secret")
			continue
		}
		k := &sharedKey{kind: secretKinds[i].prefix, at: s.at}
		k.file, _ = s.get("file", "")
		im.secrets = append(im.secrets, k)
		if words := secretKinds[i].words; words != "" {
			im.note(s.at, Warning, "a secret of kind %s is not carried over: %s", k.kind, words)
			continue
		}
		im.readSecret(s, k)
	}
}

func (im *importer) readSecret(s *section, k *sharedKey) {
	for _, v := range s.settings {
		switch {
		case v.key == "secret", v.key == "file":
		case strings.HasPrefix(v.key, "id"):
			if v.value == "" {
				continue
			}
			k.names = append(k.names, v.value)
			if id, why := parseID(v.value); why == "" {
				k.ids = append(k.ids, id)
			}
		default:
			im.note(v.at, Warning, "swanctl.conf(5) has no such setting here")
		}
	}
	k.empty = len(k.names) == 0
	text, at := s.get("secret", "")
	var why string
	if k.key, why = decodeSecret(text); why != "" {
		im.note(at, Error, "this secret is left out: %s", why)
	}
}

// decodeSecret reads text, 0x and hexadecimal digits, or 0s and base 64. Its
// errors say nothing of the secret.
func decodeSecret(text string) (key []byte, why string) {
	var err error
	switch {
	case text == "":
		return nil, "it is empty"
	case strings.HasPrefix(text, "0x"), strings.HasPrefix(text, "0X"):
		key, err = hex.DecodeString(strings.Map(dropColon, text[2:]))
		why = "0x is not followed by pairs of hexadecimal digits"
	case strings.HasPrefix(text, "0s"), strings.HasPrefix(text, "0S"):
		key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text[2:], "="))
		why = "0s is not followed by base 64"
	default:
		return []byte(text), ""
	}
	if err != nil || len(key) == 0 {
		return nil, why
	}
	return key, ""
}

func dropColon(r rune) rune {
	if r == ':' {
		return -1
	}
	return r
}

// maxKeyLine is what is read of a line of psk.txt.
const maxKeyLine = 1023

// line is a key as it stands in psk.txt: as hexadecimal digits where the text
// could not be read back.
func line(key []byte) []byte {
	strange := bytes.IndexFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) >= 0
	if strange || bytes.HasPrefix(key, []byte("0x")) || key[0] == ' ' || key[len(key)-1] == ' ' {
		return hex.AppendEncode([]byte("0x"), key)
	}
	return bytes.Clone(key)
}

// writeKeys writes psk.txt: first the keys of the peers' addresses, by which main
// mode knows them, then those of their identities, last the one for everybody.
func (im *importer) writeKeys() {
	for _, c := range im.conns {
		im.connectionKeys(c)
	}
	for _, k := range im.secrets {
		if k.kind != "ike" || k.key == nil {
			continue
		}
		strange := len(k.ids) < len(k.names)
		for _, id := range k.ids {
			switch {
			case im.onlyUs(id): // psk.txt has the peers
			case id.psk() != "":
				im.addKey(id.psk(), k)
			default:
				strange = true
			}
		}
		if strange {
			im.note(k.at, Warning, "an identity of this secret cannot stand in psk.txt")
		}
		if k.empty {
			im.addKey("*", k)
		}
	}
	im.sortKeys()
}

// connectionKeys adds what one connection needs.
func (im *importer) connectionKeys(c *conn) {
	if c.auth.xauth() {
		im.loginKey(c)
	}
	if !c.auth.psk() {
		return
	}
	k := im.keyFor(c)
	if k == nil {
		im.note(c.at, Warning, "connection %s has no secret here: add its line to psk.txt", show(c.name))
		return
	}
	for _, h := range c.remote.hosts {
		im.addKey(h.String(), k)
	}
	if (c.open() || len(c.remote.nets) > 0) && !k.empty && !c.aggressive {
		im.note(c.at, Warning, "connection %s: in main mode a key is found by the peer's address, which is not known: add a line with it, or with *, to psk.txt", show(c.name))
	}
}

// keyFor chooses a connection's key as charon does: one that names the peer before
// one that names us, before one for everybody.
func (im *importer) keyFor(c *conn) *sharedKey {
	var best *sharedKey
	rank := 0
	for _, k := range im.secrets {
		if k.kind != "ike" || k.key == nil {
			continue
		}
		n := 0
		if k.empty {
			n = 1
		}
		for _, id := range k.ids {
			switch {
			case id.kind == "":
				n = max(n, 1)
			case c.isPeer(id):
				n |= 4
			case c.isUs(id):
				n |= 2
			}
		}
		if n > rank {
			best, rank = k, n
		}
	}
	return best
}

func (c *conn) isPeer(id identity) bool {
	if id == c.theirs {
		return true
	}
	return id.kind == "address" && slices.ContainsFunc(c.remote.hosts, func(h netip.Addr) bool { return h.WithZone("").String() == id.text })
}

func (c *conn) isUs(id identity) bool {
	if id == c.mine {
		return true
	}
	return id.kind == "address" && slices.ContainsFunc(c.local.hosts, func(h netip.Addr) bool { return h.WithZone("").String() == id.text })
}

// onlyUs reports whether an identity is ours and no peer's.
func (im *importer) onlyUs(id identity) (us bool) {
	for _, c := range im.conns {
		if c.isPeer(id) {
			return false
		}
		us = us || c.isUs(id)
	}
	return us
}

// loginKey adds the password of an XAUTH client, which psk.txt has under its name.
func (im *importer) loginKey(c *conn) {
	login := c.auth.local[len(c.auth.local)-1]
	own, _ := login.get("id", "")
	name, _ := login.get("xauth_id", own)
	for _, k := range im.secrets {
		if (k.kind == "xauth" || k.kind == "eap") && k.key != nil && c.auth.client() && slices.Contains(k.names, name) {
			if id := (identity{"keyid", name}).psk(); id != "" && id != "*" {
				im.addKey(id, k)
				return
			}
		}
	}
	if c.auth.client() {
		im.note(login.at, Warning, "connection %s has no password here: add the line of xauth_login to psk.txt", show(c.name))
	} else {
		im.note(login.at, Warning, "connection %s: passwords of XAUTH users are not carried over: see mode_cfg { auth_source }", show(c.name))
	}
}

// addKey adds a line. Another key for the same identity comes directly after it:
// racoon tries one after the other.
func (im *importer) addKey(id string, k *sharedKey) {
	text := line(k.key)
	for _, old := range im.result.PSK {
		if old.ID == id && bytes.Equal(old.Secret.Reveal(), text) {
			return
		}
	}
	if len(id)+1+len(text) > maxKeyLine {
		im.note(k.at, Error, "this secret is left out: a line of psk.txt has at most %d octets", maxKeyLine)
		return
	}
	im.result.PSK = append(im.result.PSK, Key{id, secret.New(text), k.at})
}

// sortKeys puts the lines of one identity together and the wildcard last.
func (im *importer) sortKeys() {
	first := map[string]int{}
	for i, k := range im.result.PSK {
		if _, ok := first[k.ID]; ok {
			im.note(k.Position, Remark, "this is not the first secret for its identity: racoon tries them in order")
			continue
		}
		if first[k.ID] = i; k.ID == "*" {
			first[k.ID] = len(im.result.PSK)
		}
	}
	slices.SortStableFunc(im.result.PSK, func(a, b Key) int { return first[a.ID] - first[b.ID] })
}

package swanctl

import (
	"fmt"
	"slices"
	"strings"
)

// transform is one proposal block of phase 1.
type transform struct{ cipher, hash, group string }

// suite is what a sainfo section lists. racoon offers every cipher with every
// authentication.
type suite struct {
	ah             bool
	ciphers, auths []string
	group          string // "" = none
}

// words are the algorithms of one proposal by class.
type words map[class][]string

// maxTransforms bounds phase 1: what is not among so many will not be chosen.
const maxTransforms = 64

// cut splits a proposal into algorithms. phase1 decides what they are called. ok
// is false if nothing is left of the proposal.
func (im *importer) cut(text string, phase1 bool, at Position) (w words, ok bool) {
	if strings.IndexFunc(text, notHost) >= 0 {
		im.note(at, Warning, "a proposal is left out: it is not written as algorithms with dashes between them")
		return nil, false
	}
	w = words{}
	missing := map[class]bool{}
	for word := range strings.SplitSeq(text, "-") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		k := lookup(word)
		name := k.child
		if phase1 {
			name = k.ike
		}
		switch {
		case k.class == unknown:
			im.note(at, Warning, "%s is no algorithm racoon has: %s is left out", show(word), show(text))
			return nil, false
		case phase1 && (k.name == "none" || k.name == "modpnone"), phase1 && k.class == sequence, !phase1 && k.class == prf:
			continue // without meaning here
		case name == "":
			im.note(at, Warning, "racoon has no %s in phase %d", show(word), phase(phase1))
			missing[k.class] = true
		case !slices.Contains(w[k.class], name):
			w[k.class] = append(w[k.class], name)
		}
	}
	for c := range missing {
		if len(w[c]) == 0 {
			im.note(at, Warning, "%s is left out: what it needs racoon does not have", show(text))
			return nil, false
		}
	}
	return w, true
}

func phase(first bool) int {
	if first {
		return 1
	}
	return 2
}

// expandDefault puts what "default" stands for in its place.
func expandDefault(list, def []string) (out []string, expanded bool) {
	for _, text := range list {
		if strings.EqualFold(text, "default") {
			out, expanded = append(out, def...), true
			continue
		}
		out = append(out, text)
	}
	return out, expanded
}

// phase1 reads the proposals of a connection. In aggressive mode all have one
// group: the first one's.
func (im *importer) phase1(s *section, aggressive bool) []transform {
	list, at := s.list("proposals", "default")
	list, expanded := expandDefault(list, defaultIKE)
	if expanded {
		im.note(at, Warning, "proposals: charon's default is every combination of what it has; written are AES with SHA-256 and SHA-512, ecp256, x25519, modp3072 and modp2048: name what the peer needs")
	}
	var all []transform
	for _, text := range list {
		w, ok := im.cut(text, true, at)
		if !ok {
			continue
		}
		if !im.complete(w, text, at) {
			continue
		}
		for _, c := range w[cipher] {
			for _, h := range w[integrity] {
				for _, g := range w[group] {
					if t := (transform{c, h, g}); len(all) <= maxTransforms && !slices.Contains(all, t) {
						all = append(all, t)
					}
				}
			}
		}
	}
	if len(all) > maxTransforms {
		im.note(at, Warning, "proposals: more than %d combinations, the rest is left out", maxTransforms)
		all = all[:maxTransforms]
	}
	if aggressive && slices.ContainsFunc(all, func(t transform) bool { return t.group != all[0].group }) {
		im.note(at, Warning, "proposals: in aggressive mode all need one group, only those with %s are written", all[0].group)
		first := all[0].group
		all = slices.DeleteFunc(all, func(t transform) bool { return t.group != first })
	}
	return all
}

// complete reports whether a proposal of phase 1 has everything. The hash of IKEv1
// is the prf too.
func (im *importer) complete(w words, text string, at Position) bool {
	if len(w[cipher]) == 0 || len(w[integrity]) == 0 || len(w[group]) == 0 {
		im.note(at, Warning, "%s is left out: phase 1 needs a cipher, a hash and a group", show(text))
		return false
	}
	if w[prf] != nil && !slices.Equal(w[prf], w[integrity]) {
		im.note(at, Warning, "%s: in IKEv1 the hash is the prf too", show(text))
	}
	return true
}

// phase2 reads the proposals of a child; ok is false if none is left.
func (im *importer) phase2(s *section) (suite, bool) {
	var su suite
	key, def := "esp_proposals", defaultESP
	if s.has("ah_proposals") && !s.has("esp_proposals") {
		key, def, su.ah = "ah_proposals", defaultAH, true
	} else if s.has("ah_proposals") {
		_, at := s.get("ah_proposals", "")
		im.note(at, Warning, "ah_proposals: a policy names ESP or AH and not both as alternatives, ESP is taken")
	}
	list, at := s.list(key, "default")
	list, _ = expandDefault(list, def)
	pairs := map[string]bool{}
	for _, text := range list {
		w, ok := im.cut(text, false, at)
		if !ok || !im.usable(w, su.ah, text, at) || !im.oneGroup(&su, w, len(pairs) == 0, text, at) {
			continue
		}
		for _, c := range w[cipher] {
			if combined(c) {
				pairs[c] = true
				continue
			}
			for _, a := range w[integrity] {
				pairs[c+" "+a] = true
			}
		}
		su.ciphers, su.auths = union(su.ciphers, w[cipher]), union(su.auths, w[integrity])
	}
	if n := su.offers(); !su.ah && n > len(pairs) {
		im.note(at, Remark, "%s: racoon offers every cipher of a sainfo with every authentication, %d combinations in place of %d", key, n, len(pairs))
	}
	return su, len(su.ciphers) > 0
}

// usable makes a proposal of phase 2 what racoon takes: integrity always, and with
// AH no cipher.
func (im *importer) usable(w words, ah bool, text string, at Position) bool {
	why := ""
	switch aead := slices.ContainsFunc(w[cipher], combined); {
	case len(w[additional]) > 0:
		why = "additional key exchanges belong to IKEv2"
	case slices.Contains(w[sequence], "esn") && !slices.Contains(w[sequence], "noesn"):
		why = "extended sequence numbers are not negotiated"
	case ah && len(w[integrity]) == 0:
		why = "AH needs an authentication"
	case ah:
		w[cipher] = []string{"aes 128"} // a sainfo needs one
	case len(w[cipher]) == 0:
		why = "ESP needs a cipher"
	case aead && slices.ContainsFunc(w[cipher], func(c string) bool { return !combined(c) }):
		why = "combined modes and others cannot stand in one proposal"
	case aead:
		w[integrity] = nil
	case len(w[integrity]) == 0:
		why = "ESP without integrity is never negotiated"
	}
	if why != "" {
		im.note(at, Warning, "%s is left out: %s", show(text), why)
	}
	return why == ""
}

// oneGroup: a sainfo has one group for all it lists, and the first one written is
// what charon begins with.
func (im *importer) oneGroup(su *suite, w words, first bool, text string, at Position) bool {
	groups := w[group]
	if len(groups) == 0 {
		groups = []string{noGroup}
	}
	want := su.group
	if want == "" {
		want = noGroup
	}
	switch {
	case first:
		if groups[0] != noGroup {
			su.group = groups[0]
		}
		if len(groups) > 1 {
			im.note(at, Warning, "%s: a sainfo has one pfs_group, %s is taken", show(text), groups[0])
		}
		return true
	case slices.Contains(groups, want):
		return true
	}
	im.note(at, Warning, "%s is left out: a sainfo has one pfs_group, and the first proposal says %s", show(text), want)
	return false
}

// offers counts the combinations of a sainfo.
func (su suite) offers() (n int) {
	for _, c := range su.ciphers {
		if combined(c) {
			n++
		} else {
			n += len(su.auths)
		}
	}
	return n
}

// union adds to a list what it lacks.
func union(list, more []string) []string {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// body writes a suite as a sainfo section has it.
func (su suite) body(life, kb uint64) string {
	var b strings.Builder
	if su.group != "" {
		fmt.Fprintf(&b, "\tpfs_group %s;\n", su.group)
	}
	fmt.Fprintf(&b, "\tlifetime time %d sec;\n", life)
	if kb > 0 {
		fmt.Fprintf(&b, "\tlifetime_kb %d;\n", kb)
	}
	fmt.Fprintf(&b, "\tencryption_algorithm %s;\n", strings.Join(su.ciphers, ", "))
	if len(su.auths) > 0 {
		fmt.Fprintf(&b, "\tauthentication_algorithm %s;\n", strings.Join(su.auths, ", "))
	}
	b.WriteString("\tcompression_algorithm deflate;\n")
	return b.String()
}

package config

import (
	"fmt"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Describe is a remote section on one line in the words of racoon.conf, defaults
// included: what -C logs.
func Describe(r *policy.Remote) string {
	var b strings.Builder
	fmt.Fprintf(&b, "remote %s {", r.Name)
	modes := make([]string, len(r.Modes))
	for i, m := range r.Modes {
		modes[i] = m.String()
	}
	fmt.Fprintf(&b, " exchange_mode %s; my_identifier %s;", strings.Join(modes, ","), r.MyID.Text)
	for i, id := range r.PeerIDs {
		if i > 0 && id.Text == r.PeerIDs[i-1].Text { // both families of one line
			continue
		}
		fmt.Fprintf(&b, " peers_identifier %s;", id.Text)
	}
	fmt.Fprintf(&b, " verify_identifier %s; nonce_size %d; passive %s; initial_contact %s; proposal_check %s;",
		onOff(r.VerifyIdentifier), r.NonceSize, onOff(r.Passive), onOff(r.InitialContact), r.ProposalCheck)
	for _, p := range r.Proposals {
		fmt.Fprintf(&b, " proposal { encryption_algorithm %s; hash_algorithm %s; authentication_method %s; dh_group %s; lifetime time %d sec; }",
			algorithmName(phase1Ciphers, p.Encryption, p.KeyBits), algorithmName(phase1Hashes, p.Hash, 0),
			algorithmName(methods, p.Method, 0), algorithmName(groups, p.Group, 0), int(p.Lifetime.Seconds()))
	}
	b.WriteString(" }")
	return b.String()
}

func onOff(v bool) string {
	if v {
		return "on"
	}
	return "off"
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

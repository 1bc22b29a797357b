package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// remoteHead is what names a section. A section with a name of its own has its
// address inside.
func remoteHead(r *policy.Remote) (head string, named bool) {
	port := ""
	if r.Port != 0 {
		port = fmt.Sprintf(" [%d]", r.Port)
	}
	switch {
	case r.Addr.IsValid() && r.Name == sectionName(r.Addr, r.Port):
		return r.Addr.String() + port, false
	case r.Net.IsValid() && r.Name == r.Net.String():
		return r.Net.String() + port, false
	case !r.Addr.IsValid() && r.Name == "anonymous":
		return r.Name + port, false
	}
	return quoted(r.Name), true
}

func (w *shower) remote(r *policy.Remote) {
	head, named := remoteHead(r)
	w.block("remote "+head, func() {
		if named && r.Addr.IsValid() {
			port := ""
			if r.Port != 0 {
				port = fmt.Sprintf(" [%d]", r.Port)
			}
			w.line("remote_address %s%s", r.Addr, port)
		}
		modes := make([]string, len(r.Modes))
		for i, m := range r.Modes {
			modes[i] = m.String()
		}
		w.line("exchange_mode %s", strings.Join(modes, ", "))
		w.line("my_identifier %s", identityText(&r.MyID))
		for i := range r.PeerIDs {
			if i > 0 && r.PeerIDs[i].Text == r.PeerIDs[i-1].Text { // both families of one line
				continue
			}
			w.line("peers_identifier %s", identityText(&r.PeerIDs[i]))
		}
		w.phase1(r)
		w.dpd(r)
		w.credentials(r)
		for _, s := range r.Scripts {
			w.line("script %s %s", quoted(s.Path), strings.ReplaceAll(s.Event, "-", "_"))
		}
		for _, p := range r.Proposals {
			w.proposal(p)
		}
	})
}

func (w *shower) phase1(r *policy.Remote) {
	w.onOff("verify_identifier", r.VerifyIdentifier)
	w.line("nonce_size %d", r.NonceSize)
	w.onOff("passive", r.Passive)
	if r.KeepUp {
		w.line("start up")
	}
	w.onOff("initial_contact", r.InitialContact)
	w.line("proposal_check %s", r.ProposalCheck)
	w.line("ph1id %d", r.Ph1ID)
	w.line("generate_policy %s", r.GeneratePolicy)
	w.onOff("support_proxy", r.SupportProxy)
	w.line("nat_traversal %s", r.NATTraversal)
	w.line("ike_frag %s", r.IKEFrag)
	w.line("rekey %s", r.Rekey)
	w.onOff("weak_phase1_check", r.WeakPhase1Check)
	if r.ShortSHA256 {
		w.onOff("sha256_96", true)
	}
	w.onOff("mode_cfg", r.ModeCfg)
	if r.XAuth {
		w.line("%s", strings.TrimSuffix("xauth_login "+quoted(r.XAuthLogin), ` ""`))
	}
	if r.LocalAddr.IsValid() {
		w.line("local_address %s", r.LocalAddr)
	}
}

func (w *shower) dpd(r *policy.Remote) {
	w.onOff("dpd", r.DPD)
	w.line("dpd_delay %d", r.DPDDelay/time.Second)
	w.line("dpd_retry %d", r.DPDRetry/time.Second)
	w.line("dpd_maxfail %d", r.DPDMaxFail)
	if r.DPDAlgorithm != "inbound_detect" && r.DPDAlgorithm != "" {
		w.line("dpd_algorithm dpd_%s", r.DPDAlgorithm)
	}
	if r.OnLoss != policy.OnDemand {
		w.line("on_loss %s", r.OnLoss)
	}
	if r.IdleDirection != "" {
		w.line("disconnect_on_idle idle_timeout %d idle_direction idle_%s", r.IdleTimeout/time.Second, r.IdleDirection)
	}
	if r.NATTMultiUser {
		w.onOff("nat_traversal_multi_user", true)
	}
	if !r.NATTKeepalive {
		w.onOff("nat_traversal_keepalive", false)
	}
}

func (w *shower) credentials(r *policy.Remote) {
	if c := r.Certificate; c != nil {
		switch c.Kind {
		case "x509":
			w.line("certificate_type x509 %s %s", quoted(c.File), quoted(c.Key))
		case "plain_rsa":
			w.text("certificate_type plain_rsa", c.Key)
		case "keychain":
			w.line("%s", strings.TrimSuffix("certificate_type x509 in_keychain "+quoted(c.File), ` ""`))
		}
	}
	if c := r.PeerCertificate; c != nil && c.File == "" {
		w.line("peers_certfile %s", c.Kind)
	} else if c != nil {
		w.text("peers_certfile "+c.Kind, c.File)
	}
	w.text("ca_type x509", r.CA)
	w.onOff("verify_cert", r.VerifyCert)
	w.onOff("send_cert", r.SendCert)
	w.onOff("send_cr", r.SendCR)
	w.onOff("match_empty_cr", r.MatchEmptyCR)
	w.text("open_dir_auth_group", r.OpenDirGroup)
	if r.CertVerifier != "" {
		w.line("%s", strings.TrimSuffix("certificate_verification "+r.CertVerifier+" "+r.CertVerifierUse, " "))
	}
	switch s := r.SharedSecret; {
	case s == nil:
	case s.Key != "":
		w.text("shared_secret key", s.Key)
	case s.ByID:
		w.line("%s", strings.TrimSuffix("shared_secret keychain_by_id "+quoted(s.Keychain), ` ""`))
	case s.Keychain != "":
		w.text("shared_secret keychain", s.Keychain)
	default:
		w.text("shared_secret use", shownSecret(s.Use))
	}
}

// shownSecret is a reference, or a word instead of a literal.
func shownSecret(s policy.Secret) string {
	if s.Ref != "" {
		return s.Ref
	}
	return hidden
}

func (w *shower) proposal(p policy.Phase1Proposal) {
	w.block("proposal", func() {
		w.line("encryption_algorithm %s", algorithmName(phase1Ciphers, p.Encryption, p.KeyBits))
		w.line("hash_algorithm %s", algorithmName(phase1Hashes, p.Hash, 0))
		w.line("authentication_method %s", algorithmName(methods, p.Method, 0))
		w.line("dh_group %s", algorithmName(groups, p.Group, 0))
		w.time("lifetime time", p.Lifetime)
	})
}

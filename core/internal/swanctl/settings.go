package swanctl

import (
	"slices"
	"strings"
)

// known is a setting of swanctl.conf(5). One without words is read by the code;
// the others have no counterpart, which is said unless the value is one of idle.
type known struct {
	name  string
	idle  []string // values that change nothing, in lower case
	words string
	sev   Severity
}

var (
	none  = []string{"0", "0s", "0m"}
	never = []string{"no", "false", "disabled", "0"}
	yes   = []string{"yes", "true", "enabled", "1"}
)

// connKeys are those of connections.<conn>. What belongs to IKEv2 alone has
// nothing to say for itself: "*" is any value.
var connKeys = []known{
	{name: "version"}, {name: "local_addrs"}, {name: "remote_addrs"}, {name: "remote_port"}, {name: "proposals"}, {name: "vips"}, {name: "pools"},
	{name: "aggressive"}, {name: "encap"}, {name: "dpd_delay"}, {name: "dpd_timeout"}, {name: "fragmentation"}, {name: "send_certreq"}, {name: "send_cert"},
	{name: "unique"}, {name: "reauth_time"}, {name: "rekey_time"}, {name: "over_time"},
	{name: "local_port", idle: []string{"0", "500"}, words: "the port racoon listens on is global: write listen { isakmp ADDRESS [PORT]; }", sev: Warning},
	{name: "rand_time", words: "racoon chooses by itself when to renew an SA", sev: Remark},
	{name: "pull", idle: yes, words: "push mode needs the configuration exchange, which racoon does not have yet", sev: Warning},
	{name: "dscp", idle: []string{"0", "000000"}, words: "IKE messages are sent without a DSCP", sev: Warning},
	{name: "keyingtries", idle: []string{"1"}, words: "racoon tries again whenever the kernel asks for an SA; timer { counter } says how often a message is sent", sev: Remark},
	{name: "if_id_in", idle: none, words: noInterface, sev: Warning},
	{name: "if_id_out", idle: none, words: noInterface, sev: Warning},
	{name: "ppk_id", words: "postquantum keys belong to IKEv2", sev: Warning},
	{name: "ppk_required", idle: never, words: "postquantum keys belong to IKEv2", sev: Warning},
	{name: "mobike", idle: []string{"*"}}, {name: "childless", idle: []string{"*"}}, {name: "ocsp", idle: []string{"*"}},
	{name: "mediation", idle: never, words: "mediation belongs to IKEv2", sev: Warning},
	{name: "mediated_by", words: "mediation belongs to IKEv2", sev: Warning},
	{name: "mediation_peer", words: "mediation belongs to IKEv2", sev: Warning},
}

const (
	noInterface = "policies have no XFRM interface in setkey(8): the SAs get the one of the kernel's policy"
	noMark      = "policies have no mark in setkey(8): write them with ip xfrm policy"
	noPackets   = "an SA's life is not counted in packets"
)

// authKeys are those of local<suffix> and remote<suffix>.
var authKeys = []known{
	{name: "round"}, {name: "auth"}, {name: "id"}, {name: "xauth_id"}, {name: "certs"}, {name: "cacerts"},
	{name: "pubkeys", words: "raw public keys need another format: see certificate_type plain_rsa and peers_certfile plain_rsa", sev: Warning},
	{name: "eap_id", idle: []string{"*"}}, {name: "aaa_id", idle: []string{"*"}},
	{name: "groups", words: "membership in a group is not checked", sev: Warning},
	{name: "cert_policy", words: "policies of certificates are not checked", sev: Warning},
	{name: "ca_id", words: "the authority is not checked by its name", sev: Warning},
	{name: "revocation", idle: []string{"relaxed"}, words: "racoon does not look for revocation lists as this asks for", sev: Warning},
}

// childKeys are those of children.<child>.
var childKeys = []known{
	{name: "local_ts"}, {name: "remote_ts"}, {name: "esp_proposals"}, {name: "ah_proposals"}, {name: "mode"}, {name: "rekey_time"}, {name: "life_time"},
	{name: "policies"}, {name: "reqid"}, {name: "start_action"}, {name: "close_action"}, {name: "dpd_action"},
	{name: "sha256_96"},
	{name: "rand_time", words: "racoon chooses by itself when to renew an SA", sev: Remark},
	{name: "rekey_bytes"}, {name: "life_bytes"}, {name: "rand_bytes", idle: []string{"*"}},
	{name: "rekey_packets", idle: none, words: noPackets, sev: Warning}, {name: "life_packets", idle: none, words: noPackets, sev: Warning},
	{name: "rand_packets", idle: []string{"*"}},
	{name: "updown", words: "no script is run for an SA of phase 2: see script, which is for phase 1", sev: Warning}, {name: "hostaccess", idle: []string{"*"}},
	{name: "policies_fwd_out", idle: never, words: "policies that forward outwards are not written", sev: Warning},
	{name: "ipcomp", idle: never, words: "compression is not carried over: put ipcomp before esp in the policies, and write complex_bundle off", sev: Warning},
	{name: "inactivity", idle: none, words: "SAs are not deleted when idle", sev: Warning},
	{name: "priority", idle: none, words: "the policies are written without a priority: add prio after the direction", sev: Warning},
	{name: "interface", words: "policies have no interface in setkey(8)", sev: Warning},
	{name: "mark_in", idle: none, words: noMark, sev: Warning}, {name: "mark_out", idle: none, words: noMark, sev: Warning}, {name: "mark_in_sa", idle: never, words: noMark, sev: Warning},
	{name: "set_mark_in", idle: none, words: noMark, sev: Warning}, {name: "set_mark_out", idle: none, words: noMark, sev: Warning},
	{name: "if_id_in", idle: none, words: noInterface, sev: Warning}, {name: "if_id_out", idle: none, words: noInterface, sev: Warning},
	{name: "label", words: "labels belong to IKEv2", sev: Warning}, {name: "label_mode", idle: []string{"*"}},
	{name: "tfc_padding", idle: none, words: "packets are not padded to hide their size", sev: Warning},
	{name: "replay_window", idle: []string{"32"}, words: "the replay window is the kernel plugin's to choose", sev: Remark},
	{name: "hw_offload", idle: []string{"no", "auto"}, words: "SAs are not given to the network card", sev: Warning},
	{name: "per_cpu_sas", idle: never, words: "there is one SA for all CPUs", sev: Warning},
	{name: "copy_df", idle: yes, words: "the DF bit is always copied", sev: Warning},
	{name: "copy_ecn", idle: yes, words: "ECN is always copied", sev: Warning},
	{name: "copy_dscp", idle: []string{"out"}, words: "the DSCP is copied as the kernel does by default", sev: Warning},
}

// check says what is to be said about the settings of a section. It does not
// repeat a name it does not know: that may be anything.
func (im *importer) check(s *section, keys []known) {
	for _, v := range s.settings {
		i := slices.IndexFunc(keys, func(k known) bool { return k.name == v.key })
		if i < 0 {
			im.note(v.at, Warning, "swanctl.conf(5) has no such setting here")
			continue
		}
		k := keys[i]
		if k.words == "" || v.value == "" || slices.Contains(k.idle, strings.ToLower(v.value)) {
			continue
		}
		im.note(v.at, k.sev, "%s: %s", k.name, k.words)
	}
}

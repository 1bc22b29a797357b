package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// around is what a directive of a section needs around it.
var around = map[string][2]string{
	"top":    {"", ""},
	"listen": {"listen { ", " }"},
	"mode":   {"mode_cfg { ", " }"},
	"timer":  {"timer { ", " }"},
	"radius": {"radiuscfg { ", " }"},
	"remote": {`remote "x" { exchange_mode main; `, " " + proposalText + " }"},
	"first":  {`remote "x" { `, " passive on; }"},
	"proposal": {`remote "x" { exchange_mode main; proposal { encryption_algorithm aes; hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; `,
		" } }"},
	"sainfo": {"sainfo anonymous { pfs_group 14; compression_algorithm deflate; authentication_algorithm hmac_sha256; encryption_algorithm aes; ", " }"},
	"head":   {"", " { pfs_group 14; compression_algorithm deflate; authentication_algorithm hmac_sha256; encryption_algorithm aes; }"},
	"peer":   {"", " { exchange_mode main; " + proposalText + " }"},
	"child":  {`remote "p" { exchange_mode main; ` + proposalText + ` } remote 10.0.0.1 { exchange_mode main; ` + proposalText + " } ", ""},
}

const proposalText = "proposal { encryption_algorithm aes; hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; }"

// TestEachConstruct goes from classic to HCL and back, and means the same.
func TestEachConstruct(t *testing.T) {
	for _, c := range []struct{ in, classic, hcl, back string }{
		{"top", `path certificate "/etc/certs";`, `path { certificate = "/etc/certs" }`, ""},
		{"top", `path certificate "a"; path include "b";`, `path { certificate = "a" include = "b" }`, ""},
		{"top", `path certificate "a"; path certificate "b";`, `path { certificate = "a" } path { certificate = "b" }`, ""},
		{"top", `log debug2;`, `log { level = "debug2" }`, ""},
		{"top", `log "Notice";`, `log { level = "Notice" }`, ""},
		{"top", `include "none-*.conf";`, `include { file = "none-*.conf" }`, ""},
		{"top", `include "/etc/racoon/none-*.hcl";`, `include { file = "/etc/racoon/none-*.hcl" }`, ""},
		{"top", `complex_bundle off;`, `complex_bundle = false`, ""},
		{"top", `complex_bundle off; complex_bundle on;`, `complex_bundle = true`, "complex_bundle on;"},
		{"top", `pfkey_buffer 5;`, "# Not carried over: pfkey_buffer: belongs in the block of the plugin", " "},
		{"top", `padding { randomize off; maximum_length 3; }`, `padding { randomize = false maximum_length = 3 }`, ""},
		{"top", "path script \"two\nlines\ttab\x01\";", `path { script = "two\nlines\ttab\u0001" }`, ""},
		{"top", `path script "${a} $${b} %{c} $d \ %% '";`, `path { script = "$${a} $$${b} %%{c} $d \\ %% '" }`, ""},
		{"top", "path script \"crlf\r\nhere\";", `path { script = "crlf\r\nhere" }`, ""},

		{"timer", `interval 90 sec;`, `interval = "90 sec"`, ""},
		{"timer", `interval 120 sec;`, `interval = "2 min"`, "interval 2 min;"},
		{"timer", `interval 2hours;`, `interval = "2 hour"`, "interval 2 hour;"},
		{"timer", `counter 007;`, `counter = 007`, "counter 7;"},

		{"listen", `isakmp 192.0.2.1;`, `isakmp = ["192.0.2.1"]`, ""},
		{"listen", `isakmp 192.0.2.1 [4500];`, `isakmp = ["192.0.2.1:4500"]`, ""},
		{"listen", `isakmp 192.0.2.1; isakmp 2001:db8::1 [500];`, `isakmp = ["192.0.2.1", "[2001:db8::1]:500"]`, ""},
		{"listen", `isakmp fe80::1%eth0 [500];`, `isakmp = ["[fe80::1%eth0]:500"]`, ""},
		{"listen", `strict_address;`, `strict_address = true`, ""},
		{"listen", `adminsock disabled;`, `adminsock { disabled = true }`, ""},
		{"listen", `adminsock "/run/r.sock";`, `adminsock { path = "/run/r.sock" }`, ""},
		{"listen", `adminsock "/run/r.sock" "root" "wheel" 0660;`, `adminsock { path = "/run/r.sock" owner = "root" group = "wheel" mode = 0660 }`, `adminsock "/run/r.sock" "root" "wheel" 660;`},
		{"listen", `adminsock "/run/r.sock"; adminsock disabled;`, `adminsock { path = "/run/r.sock" } adminsock { disabled = true }`, ""},
		{"listen", `adminsock disabled; adminsock "/run/r.sock"; adminsock disabled;`, `adminsock { disabled = true } adminsock { path = "/run/r.sock" } adminsock { disabled = true }`, ""},

		{"mode", `dns4 10.0.0.1, 10.0.0.2;`, `dns4 = ["10.0.0.1", "10.0.0.2"]`, ""},
		{"mode", `nbns4 10.0.0.1;`, `wins4 = ["10.0.0.1"]`, "wins4 10.0.0.1;"},
		{"mode", `split_network include 10.0.0.0/8, 11.0.0.0/8;`, `split_network { include = ["10.0.0.0/8", "11.0.0.0/8"] }`, ""},
		{"mode", `split_network include 10.0.0.0/8; split_network local_lan 11.0.0.0/8; split_network include 12.0.0.0/8;`,
			`split_network { include = ["10.0.0.0/8"] local_lan = ["11.0.0.0/8"] } split_network { include = ["12.0.0.0/8"] }`, ""},
		{"radius", `auth "h" "hunter2";`, `auth { host = "h" secret = "file:/secrets/x-1.secret" }`, ""},
		{"radius", `auth "h" 1812 "hunter2";`, `auth { host = "h" port = 1812 secret = "file:/secrets/x-1.secret" }`, ""},

		{"remote", `my_identifier address;`, `my_identifier = "address"`, ""},
		{"remote", `my_identifier address 192.0.2.1;`, `my_identifier = { address = "192.0.2.1" }`, `my_identifier address "192.0.2.1";`},
		{"remote", `my_identifier address fe80::1%eth0;`, `my_identifier = { address = "fe80::1%eth0" }`, `my_identifier address "fe80::1%eth0";`},
		{"remote", `my_identifier fqdn "gw";`, `my_identifier = { fqdn = "gw" }`, ""},
		{"remote", `my_identifier keyid tag "a";`, `my_identifier = { keyid = "a" }`, ""},
		{"remote", `my_identifier keyid_use "a";`, `my_identifier = { keyid = "a" }`, `my_identifier keyid tag "a";`},
		{"remote", `my_identifier fqdn "a"; my_identifier fqdn "b";`, `my_identifier = { fqdn = "b" }`, `my_identifier fqdn "b";`},
		{"remote", `peers_identifier fqdn "a"; passive on; peers_identifier fqdn;`, `peers_identifier = [{ fqdn = "a" }, "fqdn"]`, `peers_identifier fqdn "a"; peers_identifier fqdn;`},
		{"remote", `verify_identifier on;`, `verify_identifier = true`, ""},
		{"remote", `nat_traversal force;`, `nat_traversal = "force"`, ""},
		{"remote", `lifetime time 3600 sec;`, `lifetime = "1 hour"`, "lifetime time 1 hour;"},
		{"remote", `nonce_size 32;`, `nonce_size = 32`, ""},
		{"remote", `remote_address 192.0.2.1 [4500];`, `remote_address = "192.0.2.1:4500"`, ""},
		{"remote", `support_mip6 on;`, `support_proxy = true`, "support_proxy on;"},
		{"remote", `script "up" phase1_up; script "down" phase1_down;`, `script { file = "up" event = "phase1_up" } script { file = "down" event = "phase1_down" }`, ""},
		{"remote", `disconnect_on_idle idle_timeout 3 idle_direction idle_any;`, `disconnect_on_idle { timeout = 3 direction = "idle_any" }`, ""},
		{"remote", `certificate_type x509 "c" "k";`, `certificate_type { x509 { certificate = "c" key = "k" } }`, ""},
		{"remote", `certificate_type plain_rsa "k";`, `certificate_type { plain_rsa = "k" }`, ""},
		{"remote", `peers_certfile "c";`, `peers_certfile { x509 = "c" }`, `peers_certfile x509 "c";`},
		{"remote", `peers_certfile dnssec;`, `peers_certfile { dnssec = true }`, ""},
		{"remote", `certificate_verification openssl;`, `certificate_verification { openssl = true }`, ""},
		{"remote", `certificate_verification openssl use_open_dir;`, `certificate_verification { openssl = "use_open_dir" }`, ""},
		{"remote", `xauth_login;`, `xauth_login = true`, ""},
		{"remote", `xauth_login "true";`, `xauth_login = "true"`, ""},
		{"remote", `shared_secret use "hunter2";`, `shared_secret { use = "file:/secrets/x-1.secret" }`, ""},
		{"remote", "shared_secret use \"\xff\x00 ${}\n\";", `shared_secret { use = "file:/secrets/x-1.secret" }`, ""},
		{"remote", `shared_secret use "a"; shared_secret key "b"; shared_secret use "c";`, `shared_secret { use = "file:/secrets/x-1.secret" key = "b" } shared_secret { use = "file:/secrets/x-2.secret" }`, ""},
		{"remote", `esp_frag 5;`, "# Not carried over: esp_frag", " "},
		{"first", `profile fritzbox;`, `profile = "fritzbox"`, `profile "fritzbox";`},

		{"proposal", `encryption_algorithm aes 256;`, `encryption_algorithm = "aes 256"`, ""},
		{"proposal", `dh_group 014;`, `dh_group = 014`, "dh_group 14;"},
		{"proposal", `dh_group modp2048;`, `dh_group = "modp2048"`, ""},
		{"proposal", `lifetime time 5 min;`, `lifetime = "5 min"`, ""},

		{"sainfo", `encryption_algorithm 3des;`, `encryption_algorithm = ["aes", "3des"]`, `encryption_algorithm aes, 3des;`},
		{"sainfo", `remoteid 3;`, `remoteid = 3`, ""},

		{"head", `sainfo anonymous`, `sainfo { pfs_group`, ""},
		{"head", `sainfo anonymous clientaddr`, `sainfo { remote = "clientaddr"`, ""},
		{"head", `sainfo address 10.0.0.0/8 any anonymous`, `sainfo { local = "10.0.0.0/8" pfs`, "sainfo address 10.0.0.0/8 any anonymous"},
		{"head", `sainfo address 10.0.0.1 [80] tcp address 10.0.0.2 [any] 6`, `local = "10.0.0.1[80] tcp" remote = "10.0.0.2[any] 6"`, ""},
		{"head", `sainfo address 10.0.0.1-10.0.0.9 any address fe80::1%eth0 icmp6`, `local = "10.0.0.1-10.0.0.9" remote = "fe80::1%eth0 icmp6"`, ""},
		{"head", `sainfo subnet 10.0.0.0/8 any address 10.0.0.0/9 any`, `local = "10.0.0.0/8" remote = "10.0.0.0/9"`, "sainfo address 10.0.0.0/8 any address 10.0.0.0/9 any"},
		{"head", `sainfo fqdn "group" user_fqdn "a@b"`, `local = { fqdn = "group" } remote = { user_fqdn = "a@b" }`, ""},
		{"head", `sainfo keyid tag "a" keyid "b"`, `local = { keyid = "a" } remote = { keyid = "b" }`, `sainfo keyid tag "a" keyid tag "b"`},
		{"head", `sainfo anonymous from fqdn "a"`, `from = { fqdn = "a" }`, ""},
		{"head", `sainfo anonymous from address`, `from = "address"`, ""},
		{"head", `sainfo anonymous group "vpn users"`, `group = "vpn users"`, ""},

		{"peer", `remote anonymous`, `remote "anonymous" { exchange`, ""},
		{"peer", `remote anonymous [4500]`, `remote "anonymous[4500]"`, ""},
		{"peer", `remote 192.0.2.1 [500]`, `remote "192.0.2.1[500]"`, ""},
		{"peer", `remote 10.0.0.0/8 [500]`, `remote "10.0.0.0/8[500]"`, ""},
		{"peer", `remote fe80::1%eth0`, `remote "fe80::1%eth0"`, ""},
		{"peer", `remote "gw"`, `remote "gw" {`, ""},
		{"peer", `remote "anonymous"`, `remote "anonymous" { named = true`, ""},
		{"peer", `remote "192.0.2.1[500]"`, `remote "192.0.2.1[500]" { named = true`, ""},
		{"peer", `remote "192.0.2.1:500"`, `remote "192.0.2.1:500" { named = true`, ""},
		{"peer", `remote "anonymous[any]"`, `remote "anonymous[any]" { named = true`, ""},
		{"peer", `remote "a${b}"`, `remote "a$${b}" {`, ""},
		{"child", `remote "c" inherit "p";`, `remote "c" { inherit = "p" }`, ""},
		{"child", `remote 10.0.0.2 inherit 10.0.0.1 [500] { passive on; }`, `remote "10.0.0.2" { inherit = "10.0.0.1[500]" passive = true }`, ""},
		{"child", `remote "10.0.0.1" inherit "p"; remote "c" inherit "10.0.0.1"; remote 10.0.0.9 inherit 10.0.0.1;`,
			`remote "10.0.0.1" { named = true inherit = "p" } remote "c" { inherit = "10.0.0.1" } remote "10.0.0.9" { inherit = "10.0.0.1" }`, ""},
	} {
		t.Run(c.classic, func(t *testing.T) {
			text := around[c.in][0] + c.classic + around[c.in][1]
			secrets := map[string]secret.Bytes{}
			hcl := converted(t, "testdata/good", "x.conf", text, secrets)
			if !strings.Contains(blanks(hcl), blanks(c.hcl)) {
				t.Errorf("want %s in\n%s", c.hcl, hcl)
			}
			back := converted(t, "testdata/good", "x.hcl", hcl, secrets)
			want := c.back
			if want == "" {
				want = c.classic
			}
			if !strings.Contains(blanks(back), blanks(want)) {
				t.Errorf("want %s in\n%s", want, back)
			}
			before := model(t, "testdata/good", "x.conf", text)
			if d := cmp.Diff(before, model(t, "testdata/good", "x.hcl", hcl), sameModel(secrets)); d != "" {
				t.Errorf("HCL (-want +got):\n%s\n%s", d, hcl)
			}
			if d := cmp.Diff(before, model(t, "testdata/good", "x.conf", back), sameModel(secrets)); d != "" {
				t.Errorf("and back (-want +got):\n%s\n%s", d, back)
			}
		})
	}
}

// blanks makes one blank of any.
func blanks(s string) string { return strings.Join(strings.Fields(s), " ") }

// TestWhatCannotBeConverted is an error that says what to do.
func TestWhatCannotBeConverted(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"octets that are no UTF-8", "x.conf", "remote \"x\" { exchange_mode main; my_identifier keyid tag \"\xff\xfe\"; " + proposalText + " }", "write keyid file"},
		{"in a name", "x.conf", "remote \"\xff\" { exchange_mode main; " + proposalText + " }", "no UTF-8"},
		{"in a path", "x.conf", "path certificate \"\xff\";", "no UTF-8"},
		{"in a list", "x.conf", "mode_cfg { split_dns \"a\", \"\xff\"; }", "no UTF-8"},
		{"in a header", "x.conf", "sainfo fqdn \"\xff\" anonymous { pfs_group 14; encryption_algorithm aes; authentication_algorithm hmac_sha1; compression_algorithm deflate; }", "no UTF-8"},
		{"in a parent's name", "x.conf", "remote \"\xff\" { exchange_mode main; " + proposalText + " } remote \"b\" inherit \"\xff\";", "no UTF-8"},
		{"in a group", "x.conf", "sainfo anonymous group \"\xff\" { pfs_group 14; encryption_algorithm aes; authentication_algorithm hmac_sha1; compression_algorithm deflate; }", "no UTF-8"},
		{"characters HCL would compose", "x.conf", "remote \"x\" { exchange_mode main; my_identifier fqdn \"e\u0301\"; " + proposalText + " }", "normal form C"},
		{"a quote", "x.hcl", `path { script = "a\"b" }`, "double quote"},
		{"a secret from elsewhere", "x.hcl", `ldapcfg { bind_pw = "env:PW" }`, "is no file"},
		{"a secret that is not there", "x.hcl", `ldapcfg { bind_pw = "file:/none" }`, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := hermetic(t, "testdata/good", c.file)
			_, err := p.convert(c.text, ConvertOptions{HCL: strings.HasSuffix(c.file, ".conf"), SecretDir: "/secrets", LegacyUntil: today})
			if got := render(p.diags); err == nil || !strings.Contains(got, c.want) {
				t.Errorf("want %q in %v\n%s", c.want, err, got)
			}
		})
	}
	p := hermetic(t, "testdata/good", "x.conf")
	_, err := p.convert(`ldapcfg { bind_pw "hunter2"; }`, ConvertOptions{HCL: true})
	if got := render(p.diags); err == nil || !strings.Contains(got, "--secrets DIR") || showsCanary(got) {
		t.Errorf("a secret without a directory: %v\n%s", err, got)
	}
}

// TestOnlyOwnLegacyIsAllowed: the legacy algorithms of an included classic file need no
// allow_legacy, and an allow_legacy does not leave the file that says it.
func TestOnlyOwnLegacyIsAllowed(t *testing.T) {
	hcl := converted(t, "testdata/hcl/good", "x.conf", `remote "branch" { exchange_mode main; `+proposalText+` } include "inc/old.conf";`, nil)
	if strings.Contains(hcl, "allow_legacy") {
		t.Errorf("allow_legacy for nothing:\n%s", hcl)
	}
	p := hermetic(t, "testdata/hcl/good", "x.hcl")
	read := p.readFile
	p.glob = func(pattern string) ([]string, error) { return []string{pattern}, nil }
	p.readFile = func(name string) ([]byte, error) {
		if name == etc+"legacy.hcl" {
			return []byte(`allow_legacy = "2027-01-31"` + "\n" + hclSection("md5")), nil
		}
		return read(name)
	}
	p.main("include { file = \"legacy.hcl\" }\n" + hclSection("md5"))
	if got := render(p.diags); strings.Count(got, "error") != 1 || !strings.Contains(got, "x.hcl:5") {
		t.Errorf("want one error in the main file:\n%s", got)
	}
}

func hclSection(hash string) string {
	return `remote "anonymous" {
  exchange_mode = ["main"]
  proposal {
    hash_algorithm        = "` + hash + `"
    encryption_algorithm  = "aes 256"
    authentication_method = "pre_shared_key"
    dh_group              = 14
  }
}
`
}

package config

import (
	"os"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// TestNoMessageAboutHCLShowsASecret: whatever is wrong around it, and wherever.
func TestNoMessageAboutHCLShowsASecret(t *testing.T) {
	for _, text := range []string{
		`ldapcfg { bind_pw = "hunter2" }`,
		"ldapcfg {\n bind_pw = \"hunter2\"\n}",
		"ldapcfg {\n bind_pww = \"hunter2\"\n bind-pw = \"hunter2\"\n psk = \"hunter2\"\n}",
		"ldapcfg {\n bind_pw = hunter2\n}",
		"ldapcfg {\n bind_pw = [\"hunter2\"]\n}",
		"ldapcfg {\n bind_pw = { a = \"hunter2\", hunter2 = 1 }\n}",
		"ldapcfg {\n bind_pw = \"${\"hunter2\"}\"\n}",
		"ldapcfg {\n bind_pw = \"x${upper(\"hunter2\")}\"\n}",
		"ldapcfg {\n bind_pw = <<EOT\nhunter2\nEOT\n}",
		"ldapcfg {\n bind_pw = <<EOT\nhunter2\n",
		"ldapcfg {\n bind_pw = \"hunter2\n host = \"x\"\n}",
		"ldapcfg {\n host = \"x\n bind_pw = \"hunter2\"\n base = \"y\"\n}",
		"ldapcfg {\n bind_pw = 'hunter2'\n}",
		"ldapcfg {\n bind_pw = \"file:/x\" \"hunter2\"\n}",
		"ldapcfg {\n \"bind_pw\": \"hunter2\"\n}",
		"ldapcfg {\n bind_pw \"hunter2\"\n}",
		"ldapcfg {\n bind_pw \"hunter2\" {}\n}",
		"ldapcfg \"hunter2\" {}",
		"radiuscfg {\n auth {\n  host = \"h\"\n  secret = \"hunter2\"\n }\n}",
		"radiuscfg {\n auth {\n  host = \"h\"\n  secrte = \"hunter2\"\n }\n}",
		"radiuscfg {\n auth = \"hunter2\"\n}",
		"radiuscfg {\n auht { secret = \"hunter2\" }\n}",
		"remote \"192.0.2.1\" {\n shared_secret { use = \"hunter2\" }\n}",
		"remote \"192.0.2.1\" {\n shared_secret = \"hunter2\"\n}",
		"remote \"192.0.2.1\" {\n shared_secret { usee = \"hunter2\" }\n}",
		"remote \"192.0.2.1\" {\n exchange_mode = \"main\" shared_secret = \"hunter2\"\n}",
		"remote \"192.0.2.1\" {\n my_identifier = { psk = \"hunter2\" }\n bind_pw = \"hunter2\"\n}",
		"remote \"192.0.2.1\" {\n my_identifier = local.psk\n}\nlocals {\n psk = \"hunter2\"\n}",
		"remote \"192.0.2.1\" {\n my_identifier = { asn1dn = local.psk }\n}\nlocals {\n psk = \"hunter2\"\n}",
		"include { file = local.psk }\nlocals {\n psk = \"hunter2\"\n}",
		"include = local.psk\nlocals {\n psk = \"hunter2\"\n}",
		"locals {\n psk = jsondecode(\"hunter2\")\n p = regex(\"hunter2(\", \"x\")\n}",
		"listen { bind_pw = \"hunter2\" }\npsk = \"hunter2\"\nsecrets { a = \"hunter2\" }",
		"plugin \"auth\" \"psk\" {\n pin = \"hunter2\"\n config { pin = \"hunter2\" pass = \"hunter2\" }\n}",
		"192.0.2.1 hunter2\n",
		"shared_secret use \"hunter2\";\n",
	} {
		p := hermetic(t, "testdata", "t.hcl")
		p.main(text)
		p.plugins()
		if !Failed(p.diags) {
			t.Errorf("%s: no error", text)
		}
		if got := render(p.diags); showsCanary(got) {
			t.Errorf("%s: the secret is shown:\n%s", text, got)
		}
	}
}

// TestWhatIsNotSecretIsShownInHCL: names, references and ordinary values.
func TestWhatIsNotSecretIsShownInHCL(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ldapcfg {\n bind_pww = \"hunter2\"\n}", `bind_pww = "*******"`},
		{"ldapcfg {\n bind_pw = [\"file:/etc/pw\"]\n}", `bind_pw = ["file:/etc/pw"]`},
		{"remote \"192.0.2.1\" {\n exchange_mode = [\"main\", \"agressive\"]\n}", `exchange_mode = ["main", "agressive"]`},
		{"remote \"192.0.2.1\" {\n my_identifier = { fqdm = \"gw.example\" }\n}", `my_identifier = { fqdm = "**********" }`},
		{"timer {\n interval = \"30 fortnights\"\n}", `interval = "30 fortnights"`},
	} {
		p := hermetic(t, "testdata", "t.hcl")
		p.main(c.text)
		if got := render(p.diags); !strings.Contains(got, c.want) {
			t.Errorf("want %s in\n%s", c.want, got)
		}
	}
}

// TestNoPlaceInHCLShowsASecret: a secret attribute put anywhere into a right file.
func TestNoPlaceInHCLShowsASecret(t *testing.T) {
	const dir = "testdata/good"
	classic, err := os.ReadFile(dir + "/apple-vpn-server.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := converted(t, dir, "x.conf", string(classic), map[string]secret.Bytes{})
	for i := 0; i <= len(text); i += 11 {
		for _, planted := range []string{` bind_pw = "hunter2" `, "\nshared_secret { use = \"hunter2\" }\n", `secret = "hunter2"`, "bind_pw = <<E\nhunter2\nE\n", "\nbind_pw = hunter2\n", "psk = [\"hunter2\"]\n"} {
			if i%2 == 0 && planted[0] == '\n' {
				continue
			}
			p := hermetic(t, dir, "x.hcl")
			p.main(text[:i] + planted + text[i:])
			p.plugins()
			if got := render(p.diags); showsCanary(got) {
				t.Errorf("%q behind %q is shown:\n%s", planted, text[max(0, i-40):i], got)
			}
		}
	}
}

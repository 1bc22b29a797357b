package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGoldenFiles: every file under testdata/good loads into the model beside it,
// every file under testdata/bad fails with the messages beside it. What a file
// needs and racoon does not have yet makes no file bad. No secret reaches a golden.
func TestGoldenFiles(t *testing.T) {
	for _, kind := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join("testdata", kind, "*.conf"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no test files: %v", err)
		}
		for _, f := range files {
			t.Run(kind+"/"+filepath.Base(f), func(t *testing.T) {
				cfg, diags := parseFile(t, f)
				if got := unusable(diags); got != (kind == "bad") {
					t.Errorf("failed = %v\n%s", got, render(diags))
				}
				golden(t, strings.TrimSuffix(f, ".conf")+".txt", render(diags))
				if kind == "good" {
					model, err := json.MarshalIndent(cfg, "", " ")
					if err != nil {
						t.Fatal(err)
					}
					golden(t, strings.TrimSuffix(f, ".conf")+".json", string(model)+"\n")
				}
			})
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if showsCanary(got) {
		t.Errorf("%s would hold a secret:\n%s", file, got)
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func render(ds []Diagnostic) string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString(d.Text())
	}
	return b.String()
}

// TestNoMessageShowsASecret: whatever is wrong around it, and wherever.
func TestNoMessageShowsASecret(t *testing.T) {
	for _, text := range []string{
		`remote 192.0.2.2 { shared_secret use "hunter2" }`,
		`remote 192.0.2.2 { shared_secret use "hunter2" more; }`,
		`remote 192.0.2.2 { shared_secret use hunter2; }`,
		`remote 192.0.2.2 { shared_secret hunter2; }`,
		`remote 192.0.2.2 { shared_secret use 'hunter2'; }`,
		"remote 192.0.2.2 { shared_secret\n\tuse\n\t\"hunter2\" extra;\n}",
		"remote 192.0.2.2 { shared_secret use \"hunter2\n; }",
		`remote 192.0.2.2 { shared_secret use "a;hunter2" x; }`,
		`remote 192.0.2.2 { psk "hunter2"; my_passwd "hunter2"; secret hunter2; }`,
		`remote 192.0.2.2 { pre_shared_key "hunter2"; }`,
		"path certificate \"/etc/certs;\nremote 192.0.2.2 {\n shared_secret use \"hunter2\"; }",
		"path certificate \"/etc/certs;\nremote 192.0.2.2 {\n shared_secret use \"hunter2\"; } log \"x",
		`radiuscfg { auth "h" hunter2 "hunter2" }`,
		`radiuscfg { acct "h" "hunter2" "hunter2" "hunter2"; }`,
		`ldapcfg { bind_pw 'hunter2'; bind_pw hunter2; bind_pw "hunter2" }`,
		`shared_secret "hunter2é";`,
		"remote 192.0.2.2 { shared_secret\vuse \"hunter2\" x; shared_secret\u00a0use \"hunter2\" x; }",
		"remote 192.0.2.2 { shared_secret use 'hunter2\nlifetime hunter2'; }",
		"remote 192.0.2.2 { shared_secret use “hunter2\nlifetime hunter2”; }",
		"remote 192.0.2.2 { shared_secret use abc;hunter2; }",
		"remote 192.0.2.2 { my_identifier fqdn \"#\"; shared_secret use\n\"hunter2\" x; }",
		"remote 192.0.2.2 { script \"/x; shared_secret use \"hunter2\"; }",
		"remote 192.0.2.2 { script \"/x shared_secret use \" hunter2\"; }",
		`remote 192.0.2.2 { authentication_method hunter2"hunter2"; path "hunter2"; exchange_mode "hunter2"; }`,
		`ldapcfg { bind_pw abc;hunter2; uri "ldap://u:hunter2@h" x; uri ldap://u:hunter2@h; }`,
		`include "x; psk hunter2; "; include "x"hunter2;`,
		"psk=hunter2; password=\"hunter2\"; password = hunter2;\n192.0.2.1 hunter2\n192.0.2.1 0xhunter2 hunter2",
		"log info; 192.0.2.1\thunter2\n* hunter2\ngw.example hunter2",
		`sainfo anonymous { encryption_algorithm aes "hunter2"; psk "hunter2" }`,
		"remote \"x\" { my_identifier asn1dn \"a;\n bind_pw hunter2; \"; }",
	} {
		_, diags := parse("t.conf", text)
		if !Failed(diags) {
			t.Errorf("%s: no error", text)
		}
		if got := render(diags); strings.Contains(got, "hunter2") {
			t.Errorf("%s: the secret is shown:\n%s", text, got)
		}
	}
}

// TestWhatIsNotSecretIsShown: the mask must not hide ordinary lines.
func TestWhatIsNotSecretIsShown(t *testing.T) {
	_, diags := parse("t.conf", "path pre_shared_key \"/etc/psk.txt\";\nremote 192.0.2.2 { proposal { authentication_method pre_shared_key; dh_group nope; } }\n")
	if got := render(diags); strings.Contains(got, "***") || !strings.Contains(got, "nope") {
		t.Errorf("masked:\n%s", got)
	}
	_, diags = parse("t.conf", "path # the \" file\n\tpre_shared_key # {\n\t\"/etc/psk.txt\";\nmode_cfg { save_passwd no; }\nremote 192.0.2.2 { shared_secret use \"hunter2\" x; shared_secret key \"hub\" on; }\n")
	for _, want := range []string{"mode_cfg { save_passwd no; }", `shared_secret use "*******" *; shared_secret key "hub" **; }`} {
		if got := render(diags); !strings.Contains(got, want) {
			t.Errorf("want %s in\n%s", want, got)
		}
	}
}

// TestIncludeReadsFilesInOrder: globs, relative names, and what goes wrong.
func TestIncludeReadsFilesInOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string // names of the remotes
		codes []string
	}{
		{"a pattern reads its matches sorted, without hidden files", map[string]string{
			"main.conf": `include "peers/*.conf";`, "peers/b.conf": minimal("192.0.2.2"), "peers/a.conf": minimal("192.0.2.1"),
			"peers/.swp.conf": minimal("192.0.2.9")}, []string{"192.0.2.1[500]", "192.0.2.2[500]"}, nil},
		{"path include is the directory of relative names", map[string]string{
			"main.conf": `path include "sub"; include "a.conf";`, "sub/a.conf": minimal("192.0.2.1")}, []string{"192.0.2.1[500]"}, nil},
		{"a relative name is relative to the file that says it", map[string]string{
			"main.conf": `include "sub/a.conf";`, "sub/a.conf": `include "b.conf";`, "sub/b.conf": minimal("192.0.2.1")}, []string{"192.0.2.1[500]"}, nil},
		{"a pattern without a match is a warning", map[string]string{"main.conf": `include "none/*.conf";`}, nil, []string{codeEmptyGlob}},
		{"a file that is not there is an error", map[string]string{"main.conf": `include "none.conf";`}, nil, []string{codeFile}},
		{"a file that includes itself is an error", map[string]string{"main.conf": `include "a.conf";`, "a.conf": `include "a*.conf";`}, nil, []string{codeFile}},
		{"an included file consists of whole statements", map[string]string{"main.conf": `remote 192.0.2.1 { include "a.conf"; }`}, nil, []string{codeUnknown, codeMissing}},
		{"an error in an included file names that file", map[string]string{"main.conf": `include "a.conf"; log info;`, "a.conf": "\nlogg info;"}, nil, []string{codeUnknown}},
		{"a chain of ten files is read, an eleventh is not", chain(11), nil, []string{codeFile}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			main := filepath.Join(dir, "main.conf")
			cfg, diags := parse(main, c.files["main.conf"])
			var names, codes []string
			for _, r := range cfg.Remotes {
				if len(r.Proposals) > 0 {
					names = append(names, r.Name)
				}
			}
			for _, d := range diags {
				codes = append(codes, d.Code)
			}
			if d := cmp.Diff(c.want, names); d != "" {
				t.Errorf("remotes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.codes, codes); d != "" {
				t.Errorf("diagnostics (-want +got):\n%s\n%s", d, render(diags))
			}
		})
	}
}

// TestADuplicateNamesTheFileOfTheFirst where that is another.
func TestADuplicateNamesTheFileOfTheFirst(t *testing.T) {
	const sa = "sainfo address 10.0.0.1 any anonymous { encryption_algorithm aes; authentication_algorithm hmac_sha1; compression_algorithm deflate; pfs_group 14; }\n"
	p := newParser("/etc/racoon/racoon.conf")
	p.glob = func(name string) ([]string, error) { return []string{name}, nil }
	p.readFile = func(string) ([]byte, error) { return []byte("\n" + sa), nil }
	p.main("include \"a.conf\";\n" + sa + sa)
	got := render(p.diags)
	if strings.Count(got, "is a duplicate of the one in line 2 of /etc/racoon/a.conf") != 2 {
		t.Error(got)
	}
}

// minimal is a remote section without any finding.
func minimal(addr string) string {
	return "remote " + addr + " { exchange_mode main; proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group ecp256; } }\n"
}

// chain is n files, each including the next.
func chain(n int) map[string]string {
	files := map[string]string{"main.conf": `include "2.conf";`}
	for i := 2; i < n; i++ {
		files[fmt.Sprintf("%d.conf", i)] = fmt.Sprintf(`include "%d.conf";`, i+1)
	}
	files[fmt.Sprintf("%d.conf", n)] = "log info;"
	return files
}

// TestEveryDirectiveIsKnownToTheParser: each row of the table is reached by its
// name in its section, and says something for the manual.
func TestEveryDirectiveIsKnownToTheParser(t *testing.T) {
	lang := classic()
	seen := 0
	for in := range sections {
		for first, rows := range lang.rows[in] {
			for _, d := range rows {
				seen++
				if d.state != works && d.why == "" {
					t.Errorf("%s %s: no reason given", in, d.name)
				}
				if d.set == nil && d.head == nil && d.state == works && d.body == top && in != inPrivsep && in != inRadius && in != inLDAP && in != inModeCfg && d.name != "doi" {
					t.Errorf("%s %s: does nothing and says nothing", in, d.name)
				}
				p := &parser{lang: lang, in: in}
				src := newSource("t", d.second()+" ")
				p.lex = &lexer{src: src, report: func(Diagnostic) {}}
				w := token{kind: word, text: first, src: src}
				if got := p.lookup(&w, in); got == nil || got.name != d.name {
					t.Errorf("%s %s: not found by its name", in, d.name)
				}
			}
		}
	}
	if seen < 150 {
		t.Errorf("only %d directives", seen)
	}
}

// TestDefaultsAreThoseOfTheManual for what a minimal file leaves out.
func TestDefaultsAreThoseOfTheManual(t *testing.T) {
	cfg, diags := parse("/etc/racoon/racoon.conf", minimal("192.0.2.1")+"sainfo anonymous { pfs_group 14; encryption_algorithm aes; authentication_algorithm hmac_sha256; compression_algorithm deflate; }")
	if len(diags) > 0 {
		t.Fatal(render(diags))
	}
	r := cfg.Remotes[0]
	got := fmt.Sprint(cfg.Timer, cfg.Padding, cfg.Log, r.NonceSize, r.ProposalCheck, r.VerifyIdentifier, r.InitialContact, r.Passive,
		r.NATTraversal, r.IKEFrag, r.Rekey, r.DPD, r.DPDDelay, r.DPDRetry, r.DPDMaxFail, r.GeneratePolicy, r.Proposals[0].Lifetime, cfg.SAInfos[0].Lifetime)
	want := "{5 10s 1 30s 30s 20s} {true false 20 true false} info 16 strict false true false off off on true 0s 5s 5 off 8h0m0s 8h0m0s"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestFilesOfAnotherKind are told as what they are, once.
func TestFilesOfAnotherKind(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"racoon.conf", "path {\n  pre_shared_key = \"psk.txt\"\n}\nremote \"a\" {\n  exchange_mode = [\"main\"]\n}\n", "is written in HCL"},
		{"racoon.conf", "\xff\xfel\x00o\x00g\x00", "is encoded in UTF-16"},
		{"racoon.hcl", "\xfe\xff\x00l\x00o\x00g", "is encoded in UTF-16"},
		{"racoon.conf", "log = info;\n", "is not expected here"},
		{"racoon.conf", "logg info;\n", "is no directive"},
	} {
		_, diags := parse(c.name, c.text)
		if len(diags) != 1 || !strings.Contains(diags[0].What, c.want) {
			t.Errorf("%q: %v", c.text, diags)
		}
	}
}

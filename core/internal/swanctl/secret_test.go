package swanctl_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/swanctl"
)

const canary = "hunter2canary"

// around is what a secret stands in.
const around = `connections { c {
	version = 1
	remote_addrs = 192.0.2.2
	proposals = aes128-sha256-modp2048
	local { auth = psk }
	remote { auth = psk }
	children { c { } }
} }
`

// TestASecretIsShownNowhere: wherever it stands, and whatever is wrong around it.
func TestASecretIsShownNowhere(t *testing.T) {
	for _, text := range []string{
		"secrets { ike { id = 192.0.2.2\n secret = CANARY } }",
		"secrets { ike { secret = CANARY } }",
		"secrets { ike { secret = \"CANARY\" } }",
		"secrets { ike { secret = \"CANARY } }",
		"secrets { ike { secret = one two CANARY } }",
		"secrets { ike { secret = \"two\\\nlines CANARY\" } }",
		"secrets { ike { secret = 0xCANARY } }",
		"secrets { ike { secret = 0sCANARY!! } }",
		"secrets { ike { id = 192.0.2.2 secret = CANARY } }",
		"secrets { ike { id = 192.0.2.2 secret=CANARY } }",
		"secrets { ike { id = 192.0.2.2 secret CANARY } }",
		"secrets { ike { secret CANARY } }",
		"secrets { ike { secret: CANARY } }",
		"secrets { ike { secret : CANARY { } } }",
		"secrets { ike { secret \"CANARY\" } }",
		"secrets { ike { secret = \n CANARY } }",
		"secrets { ike { secret = \n CANARY = x } }",
		"secrets { ike { secret = \n CANARY { } } }",
		"secrets { ike { secret { CANARY = x } } }",
		"secrets { ike { secert = CANARY } }",
		"secrets { ike { CANARY = secret } }",
		"secrets { ike { CANARY } }",
		"secrets { ike { include CANARY } }",
		"secrets { ike { include \"CANARY } }",
		"secrets { ike : CANARY { } }",
		"secrets { ike = CANARY }",
		"secrets { secret = CANARY }",
		"secrets { CANARY { secret = x } }",
		"secrets { eap { id = x\n secret = CANARY } }",
		"secrets { xauth { secret = CANARY } }",
		"secrets { ntlm { secret = CANARY } }",
		"secrets { private { file = key.pem\n secret = CANARY } }",
		"secrets { pkcs12 { secret = CANARY } }",
		"secrets { token { pin = CANARY } }",
		"secrets { ppk { secret = CANARY } }",
		"secrets { ike { secret = CANARY }",
		"secrets { ike { secret = CANARY } } }",
		"secrets ike { secret = CANARY } }",
		"secret { ike { secret = CANARY } }",
		"secrets { ike { secret = " + strings.Repeat("CANARY", 200) + " } }",
		"connections { c { secret = CANARY } }",
		"connections { c { remote { secret = CANARY } } }",
		"connections { c { remote { id = 192.0.2.2 secret = CANARY } } }",
		"connections { c { proposals = default secret = CANARY } }",
		"connections { c { children { c { secret = CANARY\n esp_proposals = aes128gcm16 secret CANARY } } } }",
		"connections { secrets { ike { secret = CANARY } } }",
		"secret = CANARY",
		"base { secret = CANARY }\nsecrets { ike : base { } }",
		"secrets { ike { secret = x }",
	} {
		text = strings.ReplaceAll(text, "CANARY", canary)
		for _, whole := range []string{around + text, text + "\n" + around, text} {
			r := swanctl.Import("/etc/swanctl/swanctl.conf", []byte(whole), func(string) ([]byte, error) {
				return nil, &fs.PathError{Op: "open", Path: canary, Err: fs.ErrNotExist}
			})
			js, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, shown := range []string{r.Conf, r.Policies, fmt.Sprintf("%v %+v %#v %s", r, r, r, r.Notes), string(js)} {
				if strings.Contains(strings.ToLower(shown), canary) {
					t.Errorf("%s\nshows the secret:\n%s", text, shown)
				}
			}
		}
	}
}

// TestKeysAreWrittenAsPSKTxtHasThem: what psk.txt could not give back is written
// as hexadecimal digits.
func TestKeysAreWrittenAsPSKTxtHasThem(t *testing.T) {
	for _, tt := range []struct{ name, secret, want string }{
		{"text", `plain text`, "plain text"},
		{"quoted", `"with # and } and \" in it"`, `with # and } and " in it`},
		{"blank at the end", `"blank "`, "0x626c616e6b20"},
		{"blank at the begin", `" blank"`, "0x20626c616e6b"},
		{"tab", `"a\tb"`, "0x610962"},
		{"newline", `"a\nb"`, "0x610a62"},
		{"umlaut", `ä`, "0xc3a4"},
		{"hexadecimal", `0x0A0b`, "0x0a0b"},
		{"hexadecimal with colons", `0x61:62:63`, "abc"},
		{"base 64", `0sYWJj`, "abc"},
		{"base 64, padded", `0sAP8=`, "0x00ff"},
		{"0x that is a text", `0sMHgxMg==`, "0x30783132"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := swanctl.Import("swanctl.conf", []byte("secrets { ike { \n secret = "+tt.secret+"\n } }"), nil)
			var got []string
			for _, k := range r.PSK {
				got = append(got, k.ID+" "+string(k.Secret.Reveal()))
			}
			if d := cmp.Diff([]string{"* " + tt.want}, got); d != "" {
				t.Errorf("psk.txt (-want +got):\n%s", d)
			}
		})
	}
}

// TestImportIsBounded: a small file cannot ask for much.
func TestImportIsBounded(t *testing.T) {
	var twice, chain strings.Builder
	for i := range 60 {
		fmt.Fprintf(&twice, "s%d { a : s%d { }\n b : s%d { x%d = 1 } }\n", i+1, i, i, i)
	}
	for i := range 5000 {
		fmt.Fprintf(&chain, "s%d : s%d { x%d = 1 }\n", i+1, i, i)
	}
	for name, text := range map[string]string{
		"doubling":  "s0 { y = 1 }\n" + twice.String() + "connections : s60 { }",
		"chain":     "s0 { y = 1 }\n" + chain.String() + "connections { c : s5000 { } }",
		"nesting":   strings.Repeat("a {", 100000),
		"include":   "include swanctl.conf",
		"proposals": "connections { c { version = 1\n proposals = " + strings.Repeat("aes128-aes192-aes256-camellia-3des-sha1-sha256-sha384-sha512-ecp256-ecp384-ecp521-modp2048-modp3072,", 1000) + "\n local { auth = psk }\n remote { auth = psk } } }",
	} {
		t.Run(name, func(t *testing.T) {
			r := swanctl.Import("swanctl.conf", []byte(text), func(string) ([]byte, error) { return []byte(text), nil })
			if len(r.Conf) > 1<<16 || len(r.Notes) > 100 || len(r.Notes) == 0 {
				t.Errorf("%d octets, %d notes", len(r.Conf), len(r.Notes))
			}
			loads(t, r)
		})
	}
}

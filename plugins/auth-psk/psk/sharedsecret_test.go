package psk

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

func literalOf(s string) string { return "literal:" + base64.StdEncoding.EncodeToString([]byte(s)) }

// keysFor are the keys a peer's candidates were made with, out of those that can be.
func keysFor(t *testing.T, a auth.Authenticator, peer auth.PeerContext, possible []string) (keys, credentials []string, err *errs.Error) {
	t.Helper()
	nonce := make([]byte, 16)
	res := derive(t, a, auth.SKEYIDRequest{Peer: peer, PRF: 2, Ni: nonce, Nr: nonce})
	for _, c := range res.Candidates {
		i := slices.IndexFunc(possible, func(k string) bool {
			mac := hmac.New(sha1.New, []byte(k))
			mac.Write(make([]byte, 32))
			return hmac.Equal(mac.Sum(nil), c.SKEYID.Reveal())
		})
		if i < 0 {
			t.Fatalf("%s is made with an unknown key", c.CredentialID)
		}
		keys, credentials = append(keys, possible[i]), append(credentials, c.CredentialID)
	}
	return keys, credentials, res.Err
}

func TestASectionsSecretGoesBeforeTheAddress(t *testing.T) {
	secretFile := keyFile(t, "from a file\n")
	twoLines := keyFile(t, "from a file\n\n")
	t.Setenv("RACOON_TEST_SECRET", "from the environment")
	settings := fmt.Sprintf(`{"file":%q,"shared_secret":{
		"literal":{"use":%q},"binary":{"use":%q},"file":{"use":"file:%s"},"two lines":{"use":"file:%s"},"env":{"use":"env:RACOON_TEST_SECRET"},
		"key":{"key":"group"},"canonical":{"key":"2001:DB8::1"},"gone":{"key":"nobody"},"broken":{"key":"broken"},
		"nofile":{"use":"file:/nonexistent/secret"},"noenv":{"use":"env:RACOON_TEST_NOTHING"}}}`,
		keyFile(t, "group new\ngroup old\n192.0.2.1 by address\n2001:db8::1 by name\nbroken 0xz\n* by wildcard\n"),
		literalOf("from the text"), literalOf("\x00\xff\n"), secretFile, twoLines)
	a, _, _ := configured(t, settings, nil)
	possible := []string{"from the text", "\x00\xff", "from a file", "from a file\n", "from the environment", "new", "old", "by address", "by name", "by wildcard"}
	for _, c := range []struct {
		name    string
		remotes []string
		want    []string
		says    string
	}{
		{name: "no section", want: []string{"by address"}},
		{name: "a section without a secret", remotes: []string{"other"}, want: []string{"by address"}},
		{name: "the text", remotes: []string{"literal"}, want: []string{"from the text"}},
		{name: "a file", remotes: []string{"file"}, want: []string{"from a file"}},
		{name: "only one newline is the editor's", remotes: []string{"two lines"}, want: []string{"from a file\n"}},
		{name: "a variable", remotes: []string{"env"}, want: []string{"from the environment"}},
		{name: "octets that are no text", remotes: []string{"binary"}, want: []string{"\x00\xff"}},
		{name: "a name of the key file, with its old key", remotes: []string{"key"}, want: []string{"new", "old"}},
		{name: "a name that is an address", remotes: []string{"canonical"}, want: []string{"by name"}},
		{name: "a name that is not there: no wildcard, no address", remotes: []string{"gone"}, says: `section "gone" names the key "nobody"`},
		{name: "a name whose key cannot be read", remotes: []string{"broken"}, says: `names the key "broken"`},
		{name: "a file that is not there", remotes: []string{"nofile"}, says: "/nonexistent/secret does not exist"},
		{name: "a variable that is not there", remotes: []string{"noenv"}, says: `section "noenv" gives no secret`},
		{name: "several sections, in their order", remotes: []string{"key", "other", "literal"}, want: []string{"new", "old", "from the text"}},
		{name: "one of several without secret", remotes: []string{"nofile", "literal"}, want: []string{"from the text"}},
		{name: "four at most", remotes: []string{"literal", "file", "env", "key"}, want: []string{"from the text", "from a file", "from the environment", "new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := from("192.0.2.1")
			peer.Remotes = c.remotes
			got, credentials, err := keysFor(t, a, peer, possible)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("keys (-want +got):\n%s%v", d, err)
			}
			if c.want == nil && (!errors.Is(err, &errs.Error{Reason: errs.NotFound}) || !strings.Contains(err.Msg, c.says)) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if len(c.remotes) > 0 && c.want != nil && c.remotes[0] != "other" && !strings.HasPrefix(credentials[0], "shared_secret ") {
				t.Errorf("credential %q", credentials[0])
			}
		})
	}
}

func TestSecretsWithoutAKeyFile(t *testing.T) {
	a, spec, diags := configured(t, fmt.Sprintf(`{"shared_secret":{"one":{"use":%q}}}`, literalOf("d92c4f1b03a8e65b7fc1923e0d8a54b6")), nil)
	if len(diags) > 0 {
		t.Error(diags)
	}
	peer := from("192.0.2.1")
	peer.Remotes = []string{"one"}
	if got, _, err := keysFor(t, a, peer, []string{"d92c4f1b03a8e65b7fc1923e0d8a54b6"}); len(got) != 1 {
		t.Error(err)
	}
	if _, _, err := keysFor(t, a, from("192.0.2.1"), nil); !errors.Is(err, &errs.Error{Reason: errs.NotFound}) {
		t.Errorf("another section: %v", err)
	}
	if h := spec.Health(t.Context()); h.State != plugin.Healthy || h.Counters["shared_secrets"] != 1 {
		t.Errorf("health %+v", h)
	}
}

// TestAKeyFileThatIsGoneDoesNotConcernASecret of its own.
func TestAKeyFileThatIsGoneDoesNotConcernASecret(t *testing.T) {
	a, _, _ := configured(t, fmt.Sprintf(`{"file":"/nonexistent/psk.txt","shared_secret":{"one":{"use":%q},"two":{"key":"x"}}}`, literalOf("text")), nil)
	peer := from("192.0.2.1")
	peer.Remotes = []string{"one"}
	if got, _, err := keysFor(t, a, peer, []string{"text"}); len(got) != 1 {
		t.Error(err)
	}
	peer.Remotes = []string{"two"}
	if _, _, err := keysFor(t, a, peer, nil); err == nil || !strings.Contains(err.Msg, "psk.txt does not exist") {
		t.Errorf("%v", err)
	}
}

func TestASecretsFileIsReadAgainWhenItChanges(t *testing.T) {
	var log bytes.Buffer
	path := keyFile(t, "the first one\n")
	a, spec, _ := configured(t, fmt.Sprintf(`{"shared_secret":{"one":{"use":"file:%s"}}}`, path), slog.New(slog.NewTextHandler(&log, nil)))
	peer := from("192.0.2.1")
	peer.Remotes = []string{"one"}
	step := func(what, want string, state plugin.HealthState) {
		t.Helper()
		got, _, err := keysFor(t, a, peer, []string{"the first one", "password"})
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q %v", what, got, err)
		}
		if h := spec.Health(t.Context()); h.State != state {
			t.Errorf("%s: health %+v", what, h)
		}
	}
	step("as it was", "the first one", plugin.Healthy)
	replace(t, path, "password\n", 0o600)
	step("replaced", "password", plugin.Healthy)
	if !strings.Contains(log.String(), "PSK001") {
		t.Errorf("the weak secret is not in the log: %s", log.String())
	}
	replace(t, path, "the first one\n", 0o644)
	step("opened to others", "password", plugin.Degraded)
	os.Remove(path)
	step("removed", "password", plugin.Degraded)
}

func TestBlocksThatAreWrong(t *testing.T) {
	path := keyFile(t, "x "+random()()+"\n")
	weak := literalOf("hunter2")
	for _, c := range []struct {
		name, block string
		severity    config.Severity
		code, says  string
	}{
		{"neither", `{}`, config.Error, "PSK013", "write either key or use"},
		{"both", `{"key":"x","use":"env:X"}`, config.Error, "PSK013", "write either key or use"},
		{"a handle", `{"use":"handle:x"}`, config.Error, "PSK013", "neither"},
		{"plain text", `{"use":"hunter2"}`, config.Error, "PSK013", "neither"},
		{"a relative path", `{"use":"file:x"}`, config.Error, "PSK013", "absolute path"},
		{"a literal that is none", `{"use":"literal:hunter2!"}`, config.Error, "PSK013", "not base64"},
		{"a number", `{"use":1}`, config.Error, "PSK013", "no string"},
		{"an empty literal", `{"use":"literal:"}`, config.Warning, "PSK014", "empty"},
		{"a name that is not there", `{"key":"nobody"}`, config.Warning, "PSK014", `no key for "nobody"`},
		{"a variable that is not there", `{"use":"env:RACOON_TEST_NOTHING"}`, config.Warning, "PSK014", "without the variable"},
		{"a file that is not there", `{"use":"file:/nonexistent/x"}`, config.Warning, "PSK006", "does not exist"},
		{"a weak one", fmt.Sprintf(`{"use":%q}`, weak), config.Warning, "PSK001", `shared_secret of section "one": the key can be guessed`},
		{"a carriage return", fmt.Sprintf(`{"use":%q}`, literalOf(random()()+"\r\n")), config.Warning, "PSK002", "carriage return"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, v := Spec("test"), config.Value{JSON: fmt.Appendf(nil, `{"file":%q,"shared_secret":{"one":%s}}`, path, c.block)}
			diags := spec.Validate(t.Context(), v)
			if len(diags) != 1 {
				t.Fatalf("%d diagnostics: %v", len(diags), diags)
			}
			d := diags[0]
			if text := d.Summary + ": " + d.Detail; d.Severity != c.severity || d.Code != c.code || !strings.Contains(text, c.says) {
				t.Errorf("%+v", d)
			}
			if diff := cmp.Diff([]string{"shared_secret", "one"}, d.Path); diff != "" {
				t.Error(diff)
			}
			if text := fmt.Sprintf("%+v", diags); strings.Contains(text, "hunter2") || strings.Contains(text, weak) {
				t.Errorf("the secret is shown: %s", text)
			}
			if a, _ := spec.Auth(t.Context(), v, plugin.Env{}); (a == nil) != (c.severity == config.Error) {
				t.Errorf("instance %v", a)
			}
		})
	}
}

// TestANamedKeyNeedsAKeyFile, and nothing at all needs one too.
func TestANamedKeyNeedsAKeyFile(t *testing.T) {
	for _, in := range []string{`{"shared_secret":{"one":{"key":"x"}}}`, `{"shared_secret":{}}`} {
		diags := Spec("test").Validate(t.Context(), config.Value{JSON: []byte(in)})
		if len(diags) != 1 || diags[0].Severity != config.Error || diags[0].Path[0] != "file" {
			t.Errorf("%s: %v", in, diags)
		}
	}
}

// TestSecretsAreOverwritten with the instance.
func TestSecretsAreOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, _ := configured(t, fmt.Sprintf(`{"shared_secret":{"one":{"use":%q},"two":{"use":"file:%s"}}}`, literalOf("text"), path), nil)
	p := a.(*Plugin)
	keys := [][]byte{p.secrets["one"].table.entries[0].key.Reveal(), p.secrets["two"].file.table.entries[0].key.Reveal()}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if !bytes.Equal(k, make([]byte, len(k))) {
			t.Errorf("secret %d is still in memory", i)
		}
	}
}

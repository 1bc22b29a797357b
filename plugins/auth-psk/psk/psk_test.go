package psk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// keyFile writes a psk.txt that is safe.
func keyFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "psk.txt")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// instance configures a plugin as the daemon does.
func instance(t *testing.T, path string, log *slog.Logger) (auth.Authenticator, plugin.Spec, config.Diagnostics) {
	t.Helper()
	v, err := json.Marshal(map[string]string{"file": path})
	if err != nil {
		t.Fatal(err)
	}
	return configured(t, string(v), log)
}

func configured(t *testing.T, settings string, log *slog.Logger) (auth.Authenticator, plugin.Spec, config.Diagnostics) {
	t.Helper()
	spec, v := Spec("test"), config.Value{JSON: json.RawMessage(settings)}
	diags := spec.Validate(t.Context(), v)
	a, more := spec.Auth(t.Context(), v, plugin.Env{Logger: log})
	if diags = append(diags, more...); a == nil {
		t.Fatalf("no instance: %v", diags)
	}
	t.Cleanup(func() { a.(auth.Closer).Close(context.Background()) })
	return a, spec, diags
}

func from(addr string) auth.PeerContext {
	return auth.PeerContext{RemoteAddr: netip.AddrPortFrom(netip.MustParseAddr(addr), 500)}
}

func derive(t *testing.T, a auth.Authenticator, r auth.SKEYIDRequest) auth.SKEYIDResult {
	t.Helper()
	res, err := a.DeriveSKEYIDs(t.Context(), []auth.SKEYIDRequest{r})
	if err != nil || len(res) != 1 {
		t.Fatalf("%d results, %v", len(res), err)
	}
	return res[0]
}

func unhexString(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The SKEYIDs two strongSwan daemons computed (vectors/ikev1-traces).
func TestSKEYIDsOfRecordedExchanges(t *testing.T) {
	a, _, _ := instance(t, keyFile(t, "192.0.2.2 trace-psk-0123456789\n"), nil)
	tests := []struct {
		name           string
		prf            auth.PRF
		ni, nr, skeyid string
	}{
		{"main-psk-aes192-md5-modp1536", 1, "fc73de9eb3022ddacad74473aec4916b1c3afb8d8a413fd44d0c7451e162cec2", "42024e12e8e2b4857dd0540c4a837294454c3b9b0a94cc3b3b941b56331ae656",
			"3aa4389130abc7c7645d0c96cf1033a9"},
		{"main-psk-3des-sha1-modp1024", 2, "3b1a44f96f132ee6960682aba634af309392e145f5aa2ec669ba7038e45d73ef", "c79644e5b0d39ef30c06e9ad63ed320d7b119358c321799ed588b947bf119e1e",
			"392178a6f846f27bc03761cd5ea905c58c034b93"},
		{"main-psk-aes128-sha256-modp2048", 4, "d0940de607306f5e2142e8deb1cbf9772206ab17313d73af3c0e4f953b7f0e07", "27bba1e525c41eafdfdd5d553953af8ea6a23e5b25ef200231c30faa1c422c10",
			"cca83af0de5d9b73f46f24a8f119c914b321b8d5c43a00e7f86ae83ce3214701"},
		{"main-psk-pfs-aes256-sha512-modp4096", 6, "760f95d76efe3fc6b7218dccb6bdbacb6c2c5d9872b16573ee9aa0dac9bfa0de", "25adced904ffea966dc0d015b788dcddd8fcfed1c6e5dbf6563f975d224f7080",
			"9f664e949d09c3ae157fd6c980edd97c3f1eda09136bd7eca23d73f42232b1b13a48408fff95e9b3634e396ea4b8056ad822017cecd09a016da100e036864295"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := derive(t, a, auth.SKEYIDRequest{Peer: from("192.0.2.2"), PRF: tt.prf, Ni: unhexString(t, tt.ni), Nr: unhexString(t, tt.nr)})
			if res.Err != nil || len(res.Candidates) != 1 {
				t.Fatalf("%d candidates, %v", len(res.Candidates), res.Err)
			}
			if got := hex.EncodeToString(res.Candidates[0].SKEYID.Reveal()); got != tt.skeyid {
				t.Errorf("SKEYID %s, want %s", got, tt.skeyid)
			}
			if got := res.Candidates[0].CredentialID; got != "psk.txt:1" {
				t.Errorf("credential %q", got)
			}
		})
	}
}

// Every row of NIST's pre-shared key vectors that has a prf we negotiate, through
// one key file.
func TestSKEYIDsOfNIST(t *testing.T) {
	f, err := os.Open(vectors(t, "nist-cavs-ikev1/ikev1_psk.rsp"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	prfOf := map[string]auth.PRF{"[SHA-1]": 2, "[SHA-256]": 4, "[SHA-384]": 5, "[SHA-512]": 6}
	type row struct {
		req    auth.SKEYIDRequest
		skeyid string
	}
	var rows []row
	var file strings.Builder
	var prf auth.PRF
	field := make(map[string]string)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(line, "[SHA-") {
			prf = prfOf[line]
		}
		k, v, ok := strings.Cut(line, " = ")
		if !ok {
			continue
		}
		field[k] = v
		if k != "SKEYID" || prf == 0 {
			continue
		}
		id := fmt.Sprintf("10.0.%d.%d", len(rows)/256, len(rows)%256)
		fmt.Fprintf(&file, "%s 0x%s\n", id, field["pre-shared-key"])
		rows = append(rows, row{auth.SKEYIDRequest{Peer: from(id), PRF: prf, Ni: unhexString(t, field["Ni"]), Nr: unhexString(t, field["Nr"])}, v})
	}
	if len(rows) < 200 {
		t.Fatalf("only %d rows", len(rows))
	}
	a, _, _ := instance(t, keyFile(t, file.String()), nil)
	var reqs []auth.SKEYIDRequest
	for _, r := range rows {
		reqs = append(reqs, r.req)
	}
	res, err := a.DeriveSKEYIDs(t.Context(), reqs)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if res[i].Err != nil {
			t.Fatalf("row %d: %v", i, res[i].Err)
		}
		if got := hex.EncodeToString(res[i].Candidates[0].SKEYID.Reveal()); got != r.skeyid {
			t.Errorf("row %d: SKEYID %s, want %s", i, got, r.skeyid)
		}
	}
}

// vectors finds a file of the third-party vectors beside the repository.
func vectors(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, "../shared/vectors", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("third-party vectors are not beside the repository: %v", err)
			}
			return path
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}

func TestWhichKeyAPeerGets(t *testing.T) {
	a, _, _ := instance(t, keyFile(t, `192.0.2.1 by-address
2001:db8::1 by-address-6
fe80::1%em0 by-link-local
vpn.example.org by-fqdn
bob@example.org by-user
key-id by-key-id
`), nil)
	fqdn := func(s string) *auth.ID { return &auth.ID{Type: idFQDN, Raw: []byte(s)} }
	pattern := func(id *auth.ID, wild bool) []auth.IDPattern {
		return []auth.IDPattern{{Type: id.Type, Raw: id.Raw, Wildcard: wild}}
	}
	tests := []struct {
		name string
		addr string
		id   *auth.ID
		want []auth.IDPattern
		cred string // "" = none
	}{
		{name: "main mode: by address", addr: "192.0.2.1", cred: "psk.txt:1"},
		{name: "main mode: an IPv4 address of an IPv6 socket", addr: "::ffff:192.0.2.1", cred: "psk.txt:1"},
		{name: "main mode: IPv6", addr: "2001:db8::1", cred: "psk.txt:2"},
		{name: "main mode: link-local with its zone", addr: "fe80::1%em0", cred: "psk.txt:3"},
		{name: "main mode: link-local of another zone", addr: "fe80::1%em1"},
		{name: "main mode: an unknown address", addr: "192.0.2.9"},
		{name: "aggressive: by FQDN", addr: "192.0.2.9", id: fqdn("vpn.example.org"), cred: "psk.txt:4"},
		{name: "aggressive: by user FQDN", addr: "192.0.2.9", id: &auth.ID{Type: idUserFQDN, Raw: []byte("bob@example.org")}, cred: "psk.txt:5"},
		{name: "aggressive: by key ID", addr: "192.0.2.9", id: &auth.ID{Type: idKeyID, Raw: []byte("key-id")}, cred: "psk.txt:6"},
		{name: "aggressive: by an address as identity", addr: "192.0.2.9", id: &auth.ID{Type: idIPv4Addr, Raw: []byte{192, 0, 2, 1}}, cred: "psk.txt:1"},
		{name: "aggressive: a broken address as identity", addr: "192.0.2.9", id: &auth.ID{Type: idIPv4Addr, Raw: []byte{192}}},
		{name: "aggressive: a name has no text", addr: "192.0.2.1", id: &auth.ID{Type: 9, Raw: []byte("vpn.example.org")}, cred: "psk.txt:1"},
		{name: "aggressive: identity before address", addr: "192.0.2.1", id: fqdn("vpn.example.org"), cred: "psk.txt:4"},
		{name: "aggressive: address after an unknown identity", addr: "192.0.2.1", id: fqdn("x"), cred: "psk.txt:1"},
		{name: "verify_identifier on: by identity", addr: "192.0.2.9", id: fqdn("vpn.example.org"), want: pattern(fqdn("vpn.example.org"), false), cred: "psk.txt:4"},
		{name: "verify_identifier on: no address for an identity without key", addr: "192.0.2.1", id: fqdn("x"), want: pattern(fqdn("x"), false)},
		{name: "verify_identifier on: nor where any identity is good", addr: "192.0.2.1", id: fqdn("x"), want: pattern(fqdn(""), true)},
		{name: "verify_identifier on, main mode: by address", addr: "192.0.2.1", want: pattern(fqdn("x"), false), cred: "psk.txt:1"},
		{name: "aggressive: an empty identity is none", addr: "192.0.2.1", id: fqdn(""), cred: "psk.txt:1"},
	}
	nonce := make([]byte, 16)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peer := from(tt.addr)
			peer.PeerID, peer.ExpectedIDs = tt.id, tt.want
			res := derive(t, a, auth.SKEYIDRequest{Peer: peer, PRF: 2, Ni: nonce, Nr: nonce})
			if tt.cred == "" {
				if !errors.Is(res.Err, &errs.Error{Reason: errs.NotFound}) {
					t.Fatalf("%v, want not found", res.Err)
				}
				if !strings.Contains(res.Err.Msg, strings.TrimPrefix(tt.addr, "::ffff:")) || !strings.Contains(res.Err.Msg, "psk.txt") {
					t.Errorf("%q names peer and file?", res.Err.Msg)
				}
				return
			}
			if res.Err != nil || res.Candidates[0].CredentialID != tt.cred {
				t.Errorf("%+v, want %s", res, tt.cred)
			}
		})
	}
}

func TestRequestsThatCannotBeServed(t *testing.T) {
	a, _, _ := instance(t, keyFile(t, "192.0.2.1 0x123\n192.0.2.2 key\n"), nil)
	ok := make([]byte, 8)
	tests := []struct {
		name   string
		req    auth.SKEYIDRequest
		reason errs.Reason
	}{
		{"Tiger has no HMAC prf", auth.SKEYIDRequest{Peer: from("192.0.2.2"), PRF: 3, Ni: ok, Nr: ok}, errs.Unsupported},
		{"a nonce of 7 octets", auth.SKEYIDRequest{Peer: from("192.0.2.2"), PRF: 2, Ni: ok[:7], Nr: ok}, errs.Invalid},
		{"a nonce of 257 octets", auth.SKEYIDRequest{Peer: from("192.0.2.2"), PRF: 2, Ni: ok, Nr: make([]byte, 257)}, errs.Invalid},
		{"a key that is not hexadecimal", auth.SKEYIDRequest{Peer: from("192.0.2.1"), PRF: 2, Ni: ok, Nr: ok}, errs.NotFound},
		{"no peer at all", auth.SKEYIDRequest{PRF: 2, Ni: ok, Nr: ok}, errs.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// A request that fails must not disturb the others of its batch.
			good := auth.SKEYIDRequest{Peer: from("192.0.2.2"), PRF: 2, Ni: ok, Nr: make([]byte, 256)}
			res, err := a.DeriveSKEYIDs(t.Context(), []auth.SKEYIDRequest{tt.req, good})
			if err != nil {
				t.Fatal(err)
			}
			if !errors.Is(res[0].Err, &errs.Error{Reason: tt.reason}) || len(res[0].Candidates) != 0 {
				t.Errorf("%+v, want %s", res[0], tt.reason)
			}
			if res[1].Err != nil {
				t.Errorf("the good one: %v", res[1].Err)
			}
		})
	}
}

func TestSeveralKeysGiveCandidatesInFileOrder(t *testing.T) {
	a, _, _ := instance(t, keyFile(t, "192.0.2.1 new\n192.0.2.1 old\n"), nil)
	nonce := make([]byte, 16)
	res := derive(t, a, auth.SKEYIDRequest{Peer: from("192.0.2.1"), PRF: 4, Ni: nonce, Nr: nonce})
	var got []string
	for _, c := range res.Candidates {
		got = append(got, c.CredentialID)
	}
	if d := cmp.Diff([]string{"psk.txt:1", "psk.txt:2"}, got); d != "" {
		t.Error(d)
	}
	if bytes.Equal(res.Candidates[0].SKEYID.Reveal(), res.Candidates[1].SKEYID.Reveal()) {
		t.Error("both keys give the same SKEYID")
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	a, _, _ := instance(t, keyFile(t, ""), nil)
	want := &errs.Error{Reason: errs.Unsupported}
	if _, err := a.Resolve(t.Context(), auth.ResolveRequest{}); !errors.Is(err, want) {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := a.Sign(t.Context(), nil); !errors.Is(err, want) {
		t.Errorf("Sign: %v", err)
	}
	if _, err := a.VerifyPeers(t.Context(), nil); !errors.Is(err, want) {
		t.Errorf("VerifyPeers: %v", err)
	}
}

// Whatever is printed of a run, the keys and SKEYIDs are not in it.
func TestNothingPrintsAKey(t *testing.T) {
	const secretKey = "xyzzy-secret"
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	// In the second line somebody has mixed up the columns.
	path := keyFile(t, "192.0.2.1 "+secretKey+" \n"+secretKey+" 0xz\n "+secretKey+" x\n"+secretKey+"\n")
	a, spec, diags := instance(t, path, logger)
	nonce := make([]byte, 16)
	res := derive(t, a, auth.SKEYIDRequest{Peer: from("192.0.2.1"), PRF: 2, Ni: nonce, Nr: nonce})
	if len(res.Candidates) != 1 {
		t.Fatalf("%+v", res)
	}
	none := derive(t, a, auth.SKEYIDRequest{Peer: from("192.0.2.9"), PRF: 2, Ni: nonce, Nr: nonce})
	if err := os.WriteFile(path, []byte("192.0.2.1 "+secretKey+"2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	derive(t, a, auth.SKEYIDRequest{Peer: from("192.0.2.1"), PRF: 2, Ni: nonce, Nr: nonce})
	all := fmt.Sprintf("%+v %#v %+v %v %+v %s", diags, res, none.Err, res, spec.Health(t.Context()), log.String())
	if log.Len() == 0 || len(diags) != 5 {
		t.Fatalf("the test sees too little: %d diagnostics, log %q", len(diags), log.String())
	}
	for _, s := range []string{secretKey, "xyzzy", hex.EncodeToString([]byte(secretKey)), hex.EncodeToString(res.Candidates[0].SKEYID.Reveal())} {
		if strings.Contains(all, s) {
			t.Errorf("%q is printed in:\n%s", s, all)
		}
	}
}

func TestConfigurationNeedsAnAbsolutePath(t *testing.T) {
	spec := Spec("test")
	for _, in := range []string{`{}`, `{"file":""}`, `{"file":"psk.txt"}`, `{"file":1}`, `[]`, ``} {
		diags := spec.Validate(t.Context(), config.Value{JSON: json.RawMessage(in)})
		if len(diags) != 1 || diags[0].Severity != config.Error {
			t.Errorf("%s: %v", in, diags)
		}
		if a, _ := spec.Auth(t.Context(), config.Value{JSON: json.RawMessage(in)}, plugin.Env{}); a != nil {
			t.Errorf("%s: gave an instance", in)
		}
	}
}

func BenchmarkDerive(b *testing.B) {
	var file strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&file, "10.%d.%d.%d key-of-fifty-thousand-peers\n", i>>16, i>>8&255, i&255)
	}
	path := filepath.Join(b.TempDir(), "psk.txt")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	judge := strength.New()
	keys, _, err := open(path, slog.New(slog.DiscardHandler), fileKind{parse: parse, judge: judge}, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := &Plugin{keys: keys, log: slog.New(slog.DiscardHandler)}
	req := []auth.SKEYIDRequest{{Peer: from("10.0.195.79"), PRF: 4, Ni: make([]byte, 32), Nr: make([]byte, 32)}}
	for b.Loop() {
		if res, _ := p.DeriveSKEYIDs(b.Context(), req); res[0].Err != nil {
			b.Fatal(res[0].Err)
		}
	}
}

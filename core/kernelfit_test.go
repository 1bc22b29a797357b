package core

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/config"
)

func TestKnownBackEndsAndTheirLengths(t *testing.T) {
	for _, tt := range []struct {
		backend, system string
		want            []uint16
	}{
		{"xfrm", "linux", []uint16{128, 96}},
		{"pfkey", "linux", []uint16{96}},
		{"pfkey", "freebsd", []uint16{128}},
		{"pfkey", "darwin", []uint16{128}},
		{"vendor", "linux", nil},
	} {
		if got := sha256ICVs(tt.backend, tt.system); !slices.Equal(got, tt.want) {
			t.Errorf("%s on %s: %v, want %v", tt.backend, tt.system, got, tt.want)
		}
	}
}

// TestABackEndThatDoesNotFitIsAFinding: one line of plugins.hcl changes the kernel, and the
// same racoon.conf then means SAs that carry nothing.
func TestABackEndThatDoesNotFitIsAFinding(t *testing.T) {
	const conf = `path pre_shared_key "/etc/racoon/psk.txt";
remote 192.0.2.2 { exchange_mode main; SWITCH proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group modp2048; } }
sainfo anonymous { pfs_group modp2048; lifetime time 1 hour; encryption_algorithm aes 256; authentication_algorithm hmac_sha256; compression_algorithm deflate; }
`
	onLinux, elsewhere := "RC3009", ""
	if runtime.GOOS != "linux" {
		onLinux, elsewhere = "", "RC3009"
	}
	for _, tt := range []struct{ kernel, with, want string }{
		{"pfkey", "", onLinux},
		{"pfkey", "sha256_96 on;", elsewhere},
		{"xfrm", "", ""},
		{"xfrm", "sha256_96 on;", ""},
	} {
		t.Run(tt.kernel+" "+tt.with, func(t *testing.T) {
			file := writeConf(t, strings.Replace(conf, "SWITCH", tt.with, 1))
			if err := os.WriteFile(filepath.Join(filepath.Dir(file), "plugins.hcl"), []byte("kernel = \""+tt.kernel+"\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, diags, err := config.Load(file)
			if err != nil {
				t.Fatal(err, diags)
			}
			got := ""
			for _, d := range checkKernel(loaded) {
				got += d.Code
				if d.Line != 2 || d.Severity != config.Warning || d.Fix == "" {
					t.Errorf("%+v", d)
				}
			}
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			var out, errs strings.Builder
			Main([]string{"racoon", "-t", "-f", file}, &out, &errs)
			Main([]string{"racoon", "lint", "-f", file}, &out, &errs)
			if n := strings.Count(out.String()+errs.String(), "[RC3009]"); n != 2*len(tt.want)/len("RC3009") {
				t.Errorf("-t and lint name it %d times\n%s%s", n, out.String(), errs.String())
			}
		})
	}
}

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

func TestKnownBackEnds(t *testing.T) {
	for _, tt := range []struct {
		backend, system string
		sha256          []uint16
		esn, known      bool
	}{
		{"xfrm", "linux", []uint16{128, 96}, true, true},
		{"pfkey", "linux", []uint16{96}, false, true},
		{"pfkey", "freebsd", []uint16{128}, true, true},
		{"pfkey", "darwin", []uint16{128}, false, true},
		{"vendor", "linux", nil, false, false},
	} {
		if got, known := knownBackEnd(tt.backend, tt.system); !slices.Equal(got.SHA256, tt.sha256) || got.ESN != tt.esn || known != tt.known {
			t.Errorf("%s on %s: %+v, %v, want %+v", tt.backend, tt.system, got, known, tt)
		}
	}
}

// TestABackEndThatDoesNotFitIsAFinding: one line of plugins.hcl changes the kernel, and the
// same racoon.conf then means SAs that carry nothing.
func TestABackEndThatDoesNotFitIsAFinding(t *testing.T) {
	const conf = `path pre_shared_key "/etc/racoon/psk.txt";
remote 192.0.2.2 { exchange_mode main; SWITCH proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group modp2048; } }
sainfo anonymous { pfs_group modp2048; lifetime time 1 hour; encryption_algorithm aes 256; authentication_algorithm hmac_sha256; compression_algorithm deflate; ESN }
`
	onLinux := runtime.GOOS == "linux"
	remote := map[bool]string{true: "remote "}
	for _, tt := range []struct{ kernel, with, esn, want string }{
		{"pfkey", "", "", remote[onLinux]},
		{"pfkey", "sha256_96 on;", "", remote[!onLinux]},
		{"pfkey", "", "esn off;", remote[onLinux]},
		{"pfkey", "", "esn on;", "sainfo " + remote[onLinux]},
		{"pfkey", "", "esn force;", "sainfo " + remote[onLinux]},
		{"xfrm", "", "esn force;", ""},
		{"xfrm", "sha256_96 on;", "", ""},
	} {
		t.Run(strings.TrimSpace(tt.kernel+" "+tt.with+tt.esn), func(t *testing.T) {
			file := writeConf(t, strings.NewReplacer("SWITCH", tt.with, "ESN", tt.esn).Replace(conf))
			if err := os.WriteFile(filepath.Join(filepath.Dir(file), "plugins.hcl"), []byte("kernel = \""+tt.kernel+"\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, diags, err := config.Load(file)
			if err != nil {
				t.Fatal(err, diags)
			}
			got := ""
			for _, d := range checkKernel(loaded) {
				got += map[int]string{2: "remote ", 3: "sainfo "}[d.Line]
				if d.Code != "RC3009" || d.Severity != config.Warning || d.Fix == "" {
					t.Errorf("%+v", d)
				}
			}
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			var out, errs strings.Builder
			Main([]string{"racoon", "-t", "-f", file}, &out, &errs)
			Main([]string{"racoon", "lint", "-f", file}, &out, &errs)
			if n := strings.Count(out.String()+errs.String(), "[RC3009]"); n != 2*strings.Count(tt.want, " ") {
				t.Errorf("-t and lint name it %d times\n%s%s", n, out.String(), errs.String())
			}
		})
	}
}

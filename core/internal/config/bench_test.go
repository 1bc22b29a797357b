package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// BenchmarkLoadOfTenThousand loads what a large gateway has: the file is read, checked
// and ready for the engine.
func BenchmarkLoadOfTenThousand(b *testing.B) {
	loadMany(b, "racoon.conf", "path pre_shared_key \"psk.txt\";\n", minimal)
}

// BenchmarkLoadHCLOfTenThousand is the same file in HCL.
func BenchmarkLoadHCLOfTenThousand(b *testing.B) {
	loadMany(b, "racoon.hcl", "path {\n  pre_shared_key = \"psk.txt\"\n}\n", func(addr string) string {
		return strings.Replace(hclSection("sha256"), "anonymous", addr, 1)
	})
}

func loadMany(b *testing.B, name, head string, remote func(addr string) string) {
	text := []byte(head)
	for i := range 10000 {
		text = append(text, remote(fmt.Sprintf("10.%d.%d.1", i>>8, i&255))...)
	}
	name = filepath.Join(b.TempDir(), name)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		loaded, diags, err := Load(name)
		if err != nil || len(loaded.Policy.Remotes) != 10000 {
			b.Fatal(err, render(diags))
		}
		policy.NewSections(loaded.Policy.Remotes)
	}
}

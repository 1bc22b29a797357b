package config

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkTenThousandRemotes is the size of a large gateway's file.
func BenchmarkTenThousandRemotes(b *testing.B) {
	var text strings.Builder
	for i := range 10000 {
		text.WriteString(minimal(fmt.Sprintf("10.%d.%d.1", i>>8, i&255)))
	}
	for b.Loop() {
		cfg, diags := parse("bench", text.String())
		if len(diags) > 0 || len(cfg.Remotes) != 10000 {
			b.Fatal(render(diags))
		}
	}
}

// BenchmarkTenThousandRemotesHCL is the same file in HCL.
func BenchmarkTenThousandRemotesHCL(b *testing.B) {
	var text strings.Builder
	for i := range 10000 {
		text.WriteString(strings.Replace(hclSection("sha256"), "anonymous", fmt.Sprintf("10.%d.%d.1", i>>8, i&255), 1))
	}
	for b.Loop() {
		cfg, diags := parse("bench.hcl", text.String())
		if len(diags) > 0 || len(cfg.Remotes) != 10000 {
			b.Fatal(render(diags))
		}
	}
}

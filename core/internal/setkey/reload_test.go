package setkey

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// commandsOf makes a dump, of SAs or of policies, to the commands that would give it
// again: what setkey prints holds everything it was told.
func commandsOf(t testing.TB, dump string) string {
	t.Helper()
	var b strings.Builder
	for _, block := range blocks(dump) {
		if strings.Contains(block, "\n\tspid=") {
			b.WriteString(policyCommand(block))
		} else {
			b.WriteString(saCommand(t, block))
		}
	}
	return b.String()
}

// blocks are the entries of a dump: each begins in the first column.
func blocks(dump string) (list []string) {
	for line := range strings.Lines(strings.ReplaceAll(dump, " \tseq=", " \n\tseq=")) {
		if line[0] != '\t' && line[0] != ' ' { // a key's second line begins with a blank
			list = append(list, "")
		}
		list[len(list)-1] += line
	}
	return list
}

func saCommand(t testing.TB, block string) string {
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	ends := strings.Fields(lines[0])
	what := strings.Fields(lines[1])
	field := func(name string) string {
		_, rest, ok := strings.Cut(block, name)
		if !ok {
			t.Fatalf("no %q in\n%s", name, block)
		}
		return rest[:strings.IndexAny(rest+" ", " ()\t\n")]
	}
	lifetimes := strings.Split(block, "hard: ")[1:]
	limit := func(i int) (hard, soft string) {
		if i >= len(lifetimes) {
			t.Fatalf("no life times in\n%s", block)
		}
		first, second, _ := strings.Cut(lifetimes[i], "soft: ")
		end := func(s string) string { return s[:strings.IndexAny(s, "(\t\n")] }
		return end(first), end(second)
	}
	proto, original, keys, label := what[0], "", "", ""
	last := ""
	for _, line := range lines[2:] {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "NAT OA="):
			original = " " + text[7:]
		case strings.HasPrefix(text, "E: "), strings.HasPrefix(text, "A: "):
			alg, key, _ := strings.Cut(text[3:]+" ", " ")
			if key = strings.ReplaceAll(key, " ", ""); key != "" {
				key = " 0x" + key
			}
			keys += " -" + text[:1] + " " + alg + key
			last = text
		case strings.HasPrefix(text, "C: "):
			keys += " -C " + text[3:]
		case strings.HasPrefix(text, "security context: "):
			label = ` -ctx 1 1 "` + text[18:] + `"`
		case last != "" && line[0] == ' ': // the key goes on
			keys += strings.ReplaceAll(line, " ", "")
		}
	}
	lh, ls := limit(0)
	bh, bs := limit(2)
	return fmt.Sprintf("add %s %s %s%s %s -m %s -u %s -r %s -lh %s -ls %s -bh %s -bs %s%s%s;\n", ends[0], ends[1], proto, original, field("spi="),
		strings.TrimPrefix(what[1], "mode="), field("reqid="), field("replay="), lh, ls, bh, bs, label, keys)
}

func policyCommand(block string) string {
	lines := strings.Split(block, "\n")
	label, rule := "", ""
	for _, line := range lines[1:] {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "security context: "):
			label = ` -ctx 1 1 "` + text[18:] + `"`
		case strings.HasPrefix(text, "in "), strings.HasPrefix(text, "out "), strings.HasPrefix(text, "fwd "), strings.Contains(text, "/"):
			rule += " " + text
		}
	}
	return "spdadd " + lines[0] + label + " -P" + rule + ";\n"
}

var compare = gocmp.Options{
	gocmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	gocmp.Transformer("reveal", func(b secret.Bytes) string { return hex.EncodeToString(b.Reveal()) }),
}

// differ compares what two kernels hold.
func differ(t *testing.T, want, got *kerneltest.Fake, normal func(*kernel.Policy)) {
	t.Helper()
	wantSAs, wantPolicies := contents(want)
	gotSAs, gotPolicies := contents(got)
	for _, list := range [][]kernel.Policy{wantPolicies, gotPolicies} {
		for i := range list {
			normal(&list[i])
		}
	}
	if d := gocmp.Diff(wantSAs, gotSAs, compare...); d != "" {
		t.Errorf("SAs (-loaded +dumped)\n%s", d)
	}
	if d := gocmp.Diff(wantPolicies, gotPolicies, compare...); d != "" {
		t.Errorf("policies (-loaded +dumped)\n%s", d)
	}
	if len(gotSAs) == 0 || len(gotPolicies) == 0 {
		t.Errorf("%d SAs, %d policies", len(gotSAs), len(gotPolicies))
	}
}

func TestWhatIsLoadedIsDumped(t *testing.T) {
	for _, file := range []string{"testdata/every.conf", "testdata/more.conf"} {
		t.Run(file, func(t *testing.T) {
			loaded, again := newKernel(), newKernel()
			b := newBench(loaded)
			if n := b.run(t, read(t, file)); n != 0 {
				t.Fatalf("%d commands failed:\n%s", n, &b.err)
			}
			if n := b.run(t, "dump; spddump;"); n != 0 {
				t.Fatal(&b.err)
			}
			text := commandsOf(t, b.out.String())
			second := newBench(again)
			second.RFC = false // a dump shows both policies of each pair
			if n := second.run(t, text); n != 0 {
				t.Fatalf("%d commands of the dump failed:\n%s\n%s", n, &second.err, text)
			}
			differ(t, loaded, again, func(*kernel.Policy) {})
		})
	}
}

// TestARealKernelDumpsWhatIsLoaded runs the program SETKEY on the kernel it finds, with
// the plugin SETKEY_PLUGIN.
func TestARealKernelDumpsWhatIsLoaded(t *testing.T) {
	program := os.Getenv("SETKEY")
	if program == "" {
		t.Skip("SETKEY does not name a program to test; lab/scenarios/setkey does")
	}
	setkey := func(args ...string) string {
		t.Helper()
		var errs strings.Builder
		c := exec.CommandContext(t.Context(), program, append([]string{"-K", os.Getenv("SETKEY_PLUGIN")}, args...)...)
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil {
			t.Fatalf("setkey %v: %v\n%s", args, err, &errs)
		}
		return string(out)
	}
	const file = "testdata/every.conf"
	setkey("-f", file)
	loaded, dumped := newKernel(), newKernel()
	if b := newBench(loaded); b.run(t, read(t, file)) != 0 {
		t.Fatal(&b.err)
	}
	text := commandsOf(t, setkey("-D")+setkey("-DP"))
	b := newBench(dumped)
	b.RFC = false
	if n := b.run(t, text); n != 0 {
		t.Fatalf("%d commands of the dump failed:\n%s\n%s", n, &b.err, text)
	}
	differ(t, loaded, dumped, func(p *kernel.Policy) {})
	setkey("-F")
	setkey("-FP")
	if out := setkey("-D") + setkey("-DP"); out != "No SAD entries.\nNo SPD entries.\n" {
		t.Errorf("after -F and -FP there are\n%s", out)
	}
}

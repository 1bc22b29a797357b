package isakmp

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt")

// The lines of two sessions, as they are on the wire and opened. Read changes
// of these files as prose.
func TestDescribeTraces(t *testing.T) {
	for _, tr := range loadTraces(t) {
		if tr.name != "main-xauth-psk-modecfg-pull" && tr.name != "natt-aggr-rsa" {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			var got strings.Builder
			got.WriteString("# on the wire\n")
			for i, p := range tr.Packets {
				fmt.Fprintf(&got, "%s ", p.From)
				if err := Describe(&got, tr.datagram(t, i)); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
			}
			got.WriteString("\n# opened\n")
			for _, m := range tr.open(t) {
				fmt.Fprintf(&got, "%s %s\n", m.from, DescribeMessage(m.Header, m.ps))
			}
			if strings.Contains(got.String(), "carol-pass") {
				t.Error("the password is there")
			}
			golden(t, "testdata/"+tr.name+".txt", got.String())
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestDescribeMalformed(t *testing.T) {
	const head = "72e2db93c5660054 0000000000000000"
	for _, c := range []struct{ name, hex, want string }{
		{"nothing", "", "malformed(0): isakmp message, octet 0: 0 octets are less than a header"},
		{"a payload that is wrong among others that are not", head + "05 10 05 00 00000007 0000002a 0d 00 0008 01 000000 00 00 0006 6162",
			"INFORMATIONAL 72e2db93c5660054:0000000000000000 msgid=00000007 [ID(4: ID payload, octet 4: IPV4_ADDR of 0 octets, not 4) VID(2)]"},
		{"a chain that is wrong", head + "05 10 05 00 00000007 0000001d 00",
			"INFORMATIONAL 72e2db93c5660054:0000000000000000 msgid=00000007 malformed(29): payload 1, ID: isakmp message, octet 0: 1 octets where a payload header has 4"},
		{"IKEv2", head + "21 20 22 08 00000000 0000001d 00",
			"34 72e2db93c5660054:0000000000000000 msgid=00000000 version=2.0 flags=0x8 (29)"},
		{"sealed", head + "08 10 20 01 0000000a 00000020 ffffffff",
			"QUICK_MODE 72e2db93c5660054:0000000000000000 msgid=0000000a flags=E sealed(4)"},
		{"a fragment with the flags of the message it is of", head + "84 10 04 01 00000000 00000025 00 00 0009 0001 01 01 aa",
			"AGGRESSIVE 72e2db93c5660054:0000000000000000 msgid=00000000 flags=E [FRAGMENT{1 #1 last (1)}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got strings.Builder
			if err := Describe(&got, unhex(t, c.hex)); err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want {
				t.Errorf("got  %s\nwant %s", got.String(), c.want)
			}
		})
	}
}

//go:build linux

package guest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

func TestMissingReplies(t *testing.T) {
	output := `PING 10.2.0.1 (10.2.0.1) from 10.1.0.1 : 56(84) bytes of data.
64 bytes from 10.2.0.1: icmp_seq=1 ttl=64 time=0.073 ms
64 bytes from 10.2.0.1: icmp_seq=3 ttl=64 time=0.073 ms
64 bytes from 10.2.0.1: icmp_seq=3 ttl=64 time=0.093 ms (DUP!)
From 10.1.0.1 icmp_seq=4 Destination Host Unreachable
64 bytes from fd00:2::1: icmp_seq=6 ttl=64 time=1.2 ms
`
	if diff := cmp.Diff([]int{2, 4, 5}, missingReplies(output, 6)); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

func TestMatchText(t *testing.T) {
	const text = "first line\nsecond line\n"
	for _, tt := range []struct {
		name          string
		match, absent []string
		want          string
	}{
		{"all are found", []string{"^first", "^second"}, nil, ""},
		{"one is not found", []string{"^first", "^third"}, nil, `nothing that matches "^third"`},
		{"one is there that must not", nil, []string{"sec..d"}, `has "second"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := matchText("log", text, tt.match, tt.absent)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWhyACommandFailed(t *testing.T) {
	output := `=== RUN   TestConformance
    level=INFO msg="this kernel has no cbc(twofish)"
=== RUN   TestConformance/it_says_what_it_is
=== RUN   TestConformance/it_expires
=== NAME  TestConformance
    --- PASS: TestConformance/it_says_what_it_is (0.02s)
    --- FAIL: TestConformance/it_expires (5.02s)
        plugintest.go:97: no event ExpireSoft within 5s
--- PASS: TestOther (0.00s)
FAIL
`
	want := `level=INFO msg="this kernel has no cbc(twofish)"
    --- FAIL: TestConformance/it_expires (5.02s)
        plugintest.go:97: no event ExpireSoft within 5s
FAIL`
	if diff := cmp.Diff(want, why(output)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVerdictOfAScenarioThatIsToFail(t *testing.T) {
	failure := func(check string) report.Failure { return report.Failure{Check: check, Detail: "x"} }
	for _, tt := range []struct {
		name        string
		fails, seen []string
		want        []string
	}{
		{"what was to fail failed", []string{"a"}, []string{"a"}, nil},
		{"it did not fail", []string{"a"}, nil, []string{"a"}},
		{"something else failed as well", []string{"a"}, []string{"a", "b"}, []string{"b"}},
		{"nothing was to fail", nil, []string{"b"}, []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := trial{s: &scenario.Scenario{Expect: scenario.Expect{Fails: tt.fails}}}
			for _, c := range tt.seen {
				tr.failures = append(tr.failures, failure(c))
			}
			var got []string
			for _, f := range tr.verdict() {
				got = append(got, f.Check)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
}

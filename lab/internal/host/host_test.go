//go:build linux

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/lab/internal/guest"
	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

// scenarios of the lab with these names.
func scenarios(t *testing.T, names ...string) []*scenario.Scenario {
	t.Helper()
	all, err := scenario.LoadAll("../../scenarios")
	if err != nil {
		t.Fatal(err)
	}
	var some []*scenario.Scenario
	for _, n := range names {
		for _, s := range all {
			if s.Name == n {
				some = append(some, s)
			}
		}
	}
	if len(some) != len(names) {
		t.Fatalf("found %d of %v", len(some), names)
	}
	return some
}

func newFleet(t *testing.T, names ...string) (*fleet, *[]string) {
	var seen []string
	f := &fleet{
		Options: Options{Work: t.TempDir(), Report: func(e report.Event) { seen = append(seen, string(e.Kind)+" "+e.Scenario) }},
		all:     make(map[string]*scenario.Scenario), results: make(map[string]report.Event),
	}
	if err := f.queue(scenarios(t, names...)); err != nil {
		t.Fatal(err)
	}
	return f, &seen
}

func TestLongScenariosAreTakenFirst(t *testing.T) {
	f, _ := newFleet(t, "demo", "rekey/racoon_racoon", "malformed")
	entries, err := os.ReadDir(filepath.Join(f.Work, guest.Queue))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(f.Work, guest.Queue, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Name()+" "+string(b))
	}
	want := []string{"0000-rekey_racoon_racoon rekey/racoon_racoon", "0001-demo demo", "0002-malformed malformed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("queue (-want +got):\n%s", diff)
	}
}

func TestFollowReadsTheReportToItsEnd(t *testing.T) {
	f, seen := newFleet(t, "demo", "malformed")
	w := watch{f: f, guest: "g", kill: func() { t.Error("killed") }, since: time.Now(), limit: time.Minute}
	ended := make(chan error, 1)
	ended <- nil
	err := w.follow(strings.NewReader(`{"kind":"up"}
{"kind":"start","scenario":"demo"}
{"kind":"step","scenario":"demo","step":"ping"}
{"kind":"result","scenario":"demo","failures":[{"check":"a","detail":"b"}]}
{"kind":"start","scenario":"malformed"}
{"kind":"resu`), ended)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"up ", "start demo", "step demo", "result demo", "start malformed"}, *seen); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if w.scenario != "malformed" || len(f.results["demo"].Failures) != 1 {
		t.Errorf("unfinished: %q, want malformed; results %v", w.scenario, f.results)
	}
}

func TestFollowKillsAGuestThatHangs(t *testing.T) {
	f, _ := newFleet(t, "demo")
	ended := make(chan error, 1)
	w := watch{f: f, guest: "g", since: time.Now(), limit: time.Millisecond, kill: func() { ended <- errors.New("killed") }}
	if err := w.follow(strings.NewReader(""), ended); err == nil || w.hung == nil {
		t.Errorf("error %v, hung %v", err, w.hung)
	}
}

func TestFollowRefusesAReportThatIsNone(t *testing.T) {
	f, _ := newFleet(t, "demo")
	ended := make(chan error, 1)
	w := watch{f: f, guest: "g", since: time.Now(), limit: time.Minute, kill: func() { ended <- nil }}
	if err := w.follow(strings.NewReader("hello\n"), ended); err == nil {
		t.Error("no error")
	}
}

package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

const profilesPage = "../../../docs/profiles.md"

var (
	generated = regexp.MustCompile(`(?s)<!-- generated: (\S+) (\S+) -->\n.*?<!-- end -->`)
	fence     = regexp.MustCompile("(?s)```(racoon|hcl)\n(.*?)```")
)

// readPage returns docs/profiles.md and its sections by heading.
func readPage(t *testing.T) (string, map[string]string) {
	t.Helper()
	text, err := os.ReadFile(profilesPage)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(text), "\n## ")[1:] {
		head, body, _ := strings.Cut(s, "\n")
		sections[head] = body
	}
	return string(text), sections
}

// example returns the code blocks of a section in one language.
func example(section, language string) (blocks []string) {
	for _, m := range fence.FindAllStringSubmatch(section, -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

// TestProfilesPageIsGenerated: the table, the fragments and the HCL examples of docs/profiles.md are what
// the profiles and the classic examples say. -update writes them.
func TestProfilesPageIsGenerated(t *testing.T) {
	page, sections := readPage(t)
	found := map[string]int{}
	golden(t, profilesPage, generated.ReplaceAllStringFunc(page, func(old string) string {
		m := generated.FindStringSubmatch(old)
		kind, name := m[1], m[2]
		found[kind+" "+name]++
		var body string
		switch kind {
		case "table":
			body = profilesTable(t)
		case "fragments":
			body = "```text\n" + profileText(t, name+".remote") + "```\n\n```text\n" + profileText(t, name+".sainfo") + "```\n"
		case "hcl":
			classic := example(sections[name], "racoon")
			if len(classic) != 1 {
				t.Fatalf("%s has %d classic examples", name, len(classic))
			}
			body = "```hcl\n" + converted(t, t.TempDir(), "x.conf", classic[0], map[string]secret.Bytes{}) + "```\n"
		default:
			t.Errorf("%s generates nothing", m[0])
		}
		return fmt.Sprintf("<!-- generated: %s %s -->\n%s<!-- end -->", kind, name, body)
	}))
	want := map[string]int{"table all": 1}
	for _, name := range ProfileNames() {
		want["fragments "+name], want["hcl "+name] = 1, 1
	}
	if d := cmp.Diff(want, found); d != "" {
		t.Errorf("generated parts (-want +got):\n%s", d)
	}
}

// profilesTable says what each profile costs and waits for.
func profilesTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| Profile | Legacy findings | Needs what is not there yet |\n|---|---|---|\n")
	for _, name := range ProfileNames() {
		_, diags := load(t, "racoon.conf", profiled(name, false, false))
		var waits []string
		for _, d := range diags {
			if word := "`" + d.Token + "`"; (d.Code == codeNotYet || d.Code == codeNoEffectYet) && !slices.Contains(waits, word) {
				waits = append(waits, word)
			}
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", name, name, orNone(legacyCodes(diags)), orNone(waits))
	}
	return b.String()
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// TestExamplesOfTheProfilesPage can be read, use the profile in both sections, and mean the same in both
// languages.
func TestExamplesOfTheProfilesPage(t *testing.T) {
	_, sections := readPage(t)
	for _, name := range ProfileNames() {
		t.Run(name, func(t *testing.T) {
			classic, inHCL := example(sections[name], "racoon"), example(sections[name], "hcl")
			if len(classic) != 1 || len(inHCL) != 1 {
				t.Fatalf("%d examples in classic, %d in HCL", len(classic), len(inHCL))
			}
			if n := len(regexp.MustCompile(`(?m)^\tprofile "?`+name+`"?;$`).FindAllString(classic[0], -1)); n < 2 {
				t.Errorf("names its profile %d times", n)
			}
			dir := t.TempDir()
			want := model(t, dir, "x.conf", classic[0])
			if len(want.Remotes) == 0 || len(want.SAInfos) == 0 {
				t.Error("lacks a section")
			}
			if d := cmp.Diff(want, model(t, dir, "x.hcl", inHCL[0]), sameModel(nil)); d != "" {
				t.Errorf("HCL means something else (-classic +HCL):\n%s", d)
			}
		})
	}
}

// TestProfilesPageHasNoOthers: a heading that is no profile is one of these.
func TestProfilesPageHasNoOthers(t *testing.T) {
	_, sections := readPage(t)
	for head := range sections {
		if !slices.Contains(append(ProfileNames(), "All of them", "How to use one", "Not there yet", "No profile"), head) {
			t.Errorf("%q is no profile", head)
		}
	}
}

// TestManualNamesEveryProfile in its section PROFILES.
func TestManualNamesEveryProfile(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/man/racoon.conf.5")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "\n.Sh PROFILES\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Cm (\S+)$`).FindAllStringSubmatch(section, -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if d := cmp.Diff(ProfileNames(), got); d != "" {
		t.Errorf("(-profiles +manual):\n%s", d)
	}
	if !strings.Contains(section, "docs/profiles.md") {
		t.Error("the page on profiles is not mentioned")
	}
}

// Package lint holds a configuration against published recommendations.
//
// A pack is a table of rules (bsi.go, nist.go, modern.go): what a document asks for,
// where it says so, and how to see in a policy.Config that it is not so. What comes
// out are the diagnostics that the parser makes too, so that there is one way to
// show, count and explain them. It knows the model and nothing else: it reads no
// file, asks no plugin and has never seen a key.
//
//	for _, d := range lint.Check(loaded.Policy, packs...) {
//		fmt.Fprint(os.Stdout, d.Text())
//	}
package lint

import (
	"cmp"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Pack is the rules of one document.
type Pack struct {
	Name     string // as --policy takes it
	Document string // title, issue
	rules    []rule
}

// rule is one thing a document asks for. A rule looks at one kind of place: the
// predicates return what is wrong there in the words of racoon.conf(5), "" if nothing.
type rule struct {
	id       string // stable: scripts and suppressions name it
	sentence string // what is asked for
	source   string // section of the document
	severity config.Severity
	says     string // continues the words of the predicate: "dh_group modp1024" + " is ..."
	fix      string // what to write instead
	why      string // what it is good for, for those who ask

	proposal func(*policy.Phase1Proposal) string
	remote   func(*policy.Remote) string
	sainfo   func(*policy.Config, *policy.SAInfo) string
	global   func(*policy.Config) string
}

// Packs are all there are.
func Packs() []Pack { return []Pack{bsi, nist, modern} }

// Named finds a pack.
func Named(name string) (Pack, bool) {
	for _, p := range Packs() {
		if p.Name == name {
			return p, true
		}
	}
	return Pack{}, false
}

// Check applies the rules of packs. What it finds is sorted by file and line.
func Check(cfg *policy.Config, packs ...Pack) []config.Diagnostic {
	var found []config.Diagnostic
	for _, p := range packs {
		for i := range p.rules {
			found = append(found, p.rules[i].check(cfg)...)
		}
	}
	slices.SortFunc(found, func(a, b config.Diagnostic) int {
		return cmp.Or(byPlace(a, b), cmp.Compare(a.Code, b.Code), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(found) // proposals that are wrong in the same way
}

// check applies one rule everywhere.
func (r *rule) check(cfg *policy.Config) (found []config.Diagnostic) {
	add := func(where policy.Position, section, wrong string) {
		if wrong == "" {
			return
		}
		if section != "" {
			section += ": "
		}
		found = append(found, config.Diagnostic{Code: r.id, Severity: r.severity, File: where.File, Line: where.Line,
			What: section + wrong + " " + r.says, Fix: r.fix})
	}
	if r.global != nil {
		add(policy.Position{File: cfg.File}, "", r.global(cfg))
	}
	for _, m := range cfg.Remotes {
		if r.remote != nil {
			add(m.Where, remoteName(m), r.remote(m))
		}
		for i := range m.Proposals {
			if r.proposal != nil {
				add(m.Proposals[i].Where, remoteName(m), r.proposal(&m.Proposals[i]))
			}
		}
	}
	for _, s := range cfg.SAInfos {
		if r.sainfo != nil {
			add(s.Where, sainfoName(s), r.sainfo(cfg, s))
		}
	}
	return found
}

// Sort puts diagnostics of several makers in the order of files and lines.
func Sort(ds []config.Diagnostic) { slices.SortStableFunc(ds, byPlace) }

func byPlace(a, b config.Diagnostic) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

func remoteName(r *policy.Remote) string { return "remote " + r.Name }

func sainfoName(s *policy.SAInfo) string { return "sainfo " + s.String() }

package config

import (
	"embed"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// profiles are what kinds of peers need, as bodies of a remote section (NAME.remote)
// and of a sainfo section (NAME.sainfo) in classic syntax: data, not code.
//
//go:embed profiles
var profiles embed.FS

// ProfileNames lists the profiles.
func ProfileNames() []string {
	files, err := profiles.ReadDir("profiles")
	if err != nil { // they are compiled in
		panic(err)
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".remote"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // files are in another order: "-" before "."
	return names
}

// setProfile reads a profile where it is named. What the section says itself comes
// behind it: values replace the profile's, and so do its proposals and lists.
func setProfile(p *parser, a []arg) {
	t := a[0].token
	if !p.fresh {
		p.add(p.word, codeSyntax, Error, "must be the first directive of the section: it says what the others change", "")
		return
	}
	suffix := ".remote"
	if p.in == inSAInfo {
		suffix = ".sainfo"
	}
	text, err := profiles.ReadFile("profiles/" + t.text + suffix)
	if err != nil {
		fix := didYouMean(t.text, ProfileNames())
		if fix == "" {
			fix = "there are: " + strings.Join(ProfileNames(), ", ")
		}
		p.add(t, codeUnknown, Error, "is no profile", fix)
		p.incomplete()
		return
	}
	p.fragment("profile "+t.text, string(text), t.src.hcl)
	if p.in == inSAInfo {
		p.sainfo.profile()
		return
	}
	r := p.remote
	r.modesSet = false
	r.profiled, r.own, r.Proposals = r.own, nil, nil // in the place of inherited ones
}

// held is what there is to say about a directive of a profile, kept until the end of
// the section: what the section overrides is not complained about.
type held struct {
	name string // the directive's first word
	Diagnostic
}

// incomplete: what the section lacks may be in a profile that is not there.
func (p *parser) incomplete() {
	for _, name := range []string{"exchange_mode", "proposal", "encryption_algorithm", "authentication_algorithm", "pfs_group"} {
		p.name(name)
	}
}

// fragment reads directives of the present section from another text. It counts as
// written in the language of the file that asked for it.
func (p *parser) fragment(name, text string, hcl bool) {
	src := p.lang.source(name, text+"\n}")
	src.hcl, src.in = hcl, p.in
	outer, word, record := p.reading, p.word, p.record
	p.reading = reading{lex: &lexer{src: src, report: func(d Diagnostic) { p.diags = append(p.diags, d) }}, last: token{src: src}}
	p.record = nil
	before, about := p.diags, []held(nil)
	for t := p.peek(); t.kind != eof && !t.is("}"); t = p.peek() {
		p.diags = nil
		p.statement(p.in)
		for _, d := range p.diags {
			about = append(about, held{t.text, d})
		}
	}
	p.diags, p.held = before, about
	p.reading, p.word, p.record = outer, word, record
}

// overridden forgets what was held about a directive of the profile.
func (p *parser) overridden(d *directive) {
	if d.in != inRemote && d.in != inSAInfo { // a word of a proposal may be one of the section too
		return
	}
	first, _, _ := strings.Cut(d.name, " ")
	p.held = slices.DeleteFunc(p.held, func(h held) bool { return h.name == first })
}

// release reports what is still held, at the end of the section.
func (p *parser) release() {
	for _, h := range p.held {
		p.diags = append(p.diags, h.Diagnostic)
	}
	p.held = nil
}

// profile marks the lists as the profile's: the section's own replace them.
func (s *sainfo) profile() {
	s.fromProfile = map[*[]policy.Algorithm]bool{&s.Encryption: true, &s.Auth: true, &s.Comp: true}
}

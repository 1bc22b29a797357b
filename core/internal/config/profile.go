package config

import (
	"embed"
	"maps"
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
		return
	}
	p.fragment("profile "+t.text, string(text), t.src.hcl)
	if p.in == inSAInfo {
		p.sainfo.profile()
		return
	}
	r := p.remote
	r.modesSet = false
	r.profiled, r.own = r.own, nil
}

// fragment reads directives of the present section from another text. It counts as
// written in the language of the file that asked for it.
func (p *parser) fragment(name, text string, hcl bool) {
	src := p.lang.source(name, text+"\n}")
	src.hcl, src.in = hcl, p.in
	lex, look, last, word, record := p.lex, p.look, p.last, p.word, p.record
	p.lex = &lexer{src: src, report: func(d Diagnostic) { p.diags = append(p.diags, d) }}
	p.look, p.record = nil, nil
	p.block(p.in, token{src: src})
	maps.Copy(p.given, p.inner)
	p.lex, p.look, p.last, p.word, p.record = lex, look, last, word, record
}

// profile marks the lists as the profile's: the section's own replace them.
func (s *sainfo) profile() {
	s.fromProfile = map[*[]policy.Algorithm]bool{&s.Encryption: true, &s.Auth: true, &s.Comp: true}
}

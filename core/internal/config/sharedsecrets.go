package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// sharedSecrets are what the shared_secret directives say, by the name of the remote
// section: the secret itself, which only a classic file has, where it is, or the name
// of an entry of the key file. They reach the plugin as its shared_secret blocks.
type sharedSecrets struct {
	Literals   map[string]secret.Bytes
	References map[string]string
	KeyNames   map[string]string
}

// Zero overwrites the literal secrets: nobody uses s any more.
func (s PluginSpec) Zero() {
	for _, l := range s.Literals {
		l.Zero()
	}
}

// envReference is a secret that stands in an environment variable.
var envReference = regexp.MustCompile(`"env:([A-Za-z_][A-Za-z0-9_]*)"`)

// Variables are the environment variables the plugin's config block refers to, by itself
// or through a local. A plugin's environment has no others of ours.
func (s PluginSpec) Variables() []string {
	names := map[string]bool{}
	for _, ref := range s.References {
		if name, ok := strings.CutPrefix(ref, "env:"); ok {
			names[name] = true
		}
	}
	if body, ok := s.body.(*hclsyntax.Body); ok && s.text != nil {
		at := body.Range()
		text := s.text.text[at.Start.Byte:at.End.Byte]
		for name, v := range s.ctx.Variables["local"].AsValueMap() {
			if strings.Contains(text, "local."+name) {
				text += "\n" + literalsOf(v)
			}
		}
		for _, m := range envReference.FindAllStringSubmatch(text, -1) {
			names[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// literalsOf are the strings of a value, in double quotes.
func literalsOf(v cty.Value) string {
	var b strings.Builder
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			b.WriteString(strconv.Quote(v.AsString()))
		}
		return true, nil
	})
	return b.String()
}

// withSecrets gives auth/psk the shared secrets, and adds it where nothing else asks
// for it. at is the first of them.
func withSecrets(specs []PluginSpec, shared sharedSecrets, at policy.Position) []PluginSpec {
	if len(shared.Literals)+len(shared.References)+len(shared.KeyNames) == 0 {
		return specs
	}
	i := slices.IndexFunc(specs, func(s PluginSpec) bool { return s.Kind == "auth" && s.Name == "psk" })
	if i < 0 {
		s := classicPlugin("auth", "psk", nil)
		s.Where = at
		i, specs = len(specs), append(specs, s)
	}
	specs[i].sharedSecrets = shared
	return specs
}

// checkSharedSecrets: the plugin finds the secret of a section by its name, so sections
// of one name have one secret, or none.
func (p *parser) checkSharedSecrets() {
	first := map[string]*remote{}
	for _, r := range p.remotes {
		o := first[r.Name]
		if o == nil {
			first[r.Name] = r
		} else if !o.SharedSecret.Same(r.SharedSecret) {
			p.add(r.head, codeDuplicate, Error, r.title()+" has another shared_secret than the section of this name in "+r.head.elsewhere(o.Where)+", and a secret is found by the name",
				"give one of them a name of its own")
		}
	}
}

// takeSharedSecrets moves the secrets of the sections out of the model, which the
// engine is going to hold; it needs none of them.
func (p *parser) takeSharedSecrets() (shared sharedSecrets, at policy.Position) {
	shared = sharedSecrets{map[string]secret.Bytes{}, map[string]string{}, map[string]string{}}
	for _, r := range p.cfg.Remotes {
		s := r.SharedSecret
		if s == nil || s.Keychain != "" || s.ByID {
			continue
		}
		if at.File == "" {
			at = r.Where
		}
		switch {
		case s.Key != "":
			shared.KeyNames[r.Name] = s.Key
		case s.Use.Ref != "":
			shared.References[r.Name] = s.Use.Ref
		default:
			shared.Literals[r.Name] = s.Use.Literal
			r.SharedSecret = &policy.SharedSecret{}
		}
	}
	return shared, at
}

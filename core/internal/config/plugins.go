package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// PluginSpec is one plugin the configuration asks for. What stands in its config
// block can only be understood with the plugin's schema, see Decode.
type PluginSpec struct {
	Kind, Name string // "auth", "psk"
	Path       string // of the executable, "" = the plugin directory
	SHA256     string // hexadecimal digest of the executable, "" = any
	Critical   bool   // its death ends the daemon
	Where      policy.Position
	sharedSecrets
	body hcl.Body
	ctx  *hcl.EvalContext
	text *source // of the HCL file, for quoting; nil: implied by the model
}

// Explicit reports whether racoon.hcl or plugins.hcl names the plugin.
func (s PluginSpec) Explicit() bool { return s.text != nil }

// pluginsFile stands beside the classic file, which has no word for plugins.
const pluginsFile = "plugins.hcl"

var (
	rootSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "kernel"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "plugin", LabelNames: []string{"kind", "name"}}, {Type: "locals"}},
	}
	pluginSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "path"}, {Name: "sha256"}, {Name: "critical"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "config"}},
	}
)

// kinds of plugins racoon has.
var kinds = []string{"auth", "kernel", "log"}

// defaultKernel is the kernel plugin of this platform.
func defaultKernel() string {
	if runtime.GOOS == "linux" {
		return "xfrm"
	}
	return "pfkey"
}

// plugins reads what the main HCL file says of plugins, or plugins.hcl beside a
// classic one, and adds what that does not name: the platform's kernel, auth/psk
// where the model says which keys, log/syslog.
func (p *parser) plugins() []PluginSpec {
	kernel, specs := defaultKernel(), []PluginSpec(nil)
	if f := p.pluginsFile(); f != nil {
		kernel, specs = p.hclPlugins(f, kernel)
	}
	has := func(kind, name string) bool {
		return slices.ContainsFunc(specs, func(s PluginSpec) bool { return s.Kind == kind && (s.Name == name || name == "") })
	}
	if named := has("kernel", ""); !named {
		specs = append(specs, classicPlugin("kernel", kernel, p.kernelConfig(kernel)))
	} else if b := p.pfkeyBuffer; b != nil {
		p.add(b.token, codeMapped, Warning, "has no effect: plugin \"kernel\" has a block, and pfkey_buffer belongs in its config", "")
	}
	if psk := p.cfg.Paths.PreSharedKey; psk != "" && !has("auth", "psk") {
		s := classicPlugin("auth", "psk", map[string]string{"file": psk})
		s.Where = p.pskAt
		specs = append(specs, s)
	}
	if !has("log", "") {
		specs = append(specs, classicPlugin("log", "syslog", nil))
	}
	if !has("auth", "") {
		p.missKeys()
	}
	p.checkSharedSecrets()
	shared, at := p.takeSharedSecrets()
	return withSecrets(specs, shared, at)
}

// maxPFKEYBuffer is as much as kernel/pfkey takes, in kB.
const maxPFKEYBuffer = 1 << 20

// kernelConfig is what the classic file says for the kernel plugin of this name.
func (p *parser) kernelConfig(name string) map[string]string {
	switch b := p.pfkeyBuffer; {
	case b == nil:
		return nil
	case name != "pfkey":
		p.add(b.token, codeMapped, Warning, "has no effect: pfkey_buffer is for kernel/pfkey, and the kernel is reached by kernel/"+name, "")
		return nil
	default:
		return map[string]string{"pfkey_buffer": strconv.FormatUint(min(b.n, maxPFKEYBuffer), 10)}
	}
}

// missKeys reports the first section whose pre-shared key nobody has.
func (p *parser) missKeys() {
	for _, r := range p.remotes {
		if p.hclMain != nil && (p.hclMain.keys || p.hclMain.broken != nil) { // it is there, or may be what could not be read
			return
		}
		if r.SharedSecret == nil && slices.ContainsFunc(r.Proposals, func(v policy.Phase1Proposal) bool { return v.Method == methodPSK }) {
			p.add(r.head, codeMissing, Error, "authenticates with pre_shared_key, and nothing says where the keys are", p.write(r.head, top, `path pre_shared_key "FILE";`))
			return
		}
	}
}

// pluginsFile is the HCL file that may name plugins, nil if there is none.
func (p *parser) pluginsFile() *hclFile {
	if IsHCL(p.cfg.File) {
		return p.hclMain
	}
	name := filepath.Join(filepath.Dir(p.cfg.File), pluginsFile)
	switch text, err := p.readFile(name); {
	case err == nil:
		return p.openHCL(p.lang.source(name, string(text)))
	case !errors.Is(err, fs.ErrNotExist):
		p.diags = append(p.diags, Diagnostic{Code: codeFile, File: name, What: "cannot be read: " + reason(err)})
	}
	return nil
}

// classicPlugin is a plugin configured by the classic file alone.
func classicPlugin(kind, name string, config map[string]string) PluginSpec {
	if config == nil {
		config = map[string]string{}
	}
	text, err := json.Marshal(config)
	if err != nil { // a map of strings
		panic(err)
	}
	file, diags := hcljson.Parse(text, "racoon.conf")
	if diags.HasErrors() {
		panic(diags)
	}
	return PluginSpec{Kind: kind, Name: name, body: file.Body}
}

// hclPlugins reads the plugins of an HCL file. kernel is the default choice.
func (p *parser) hclPlugins(f *hclFile, kernel string) (string, []PluginSpec) {
	src, before := f.src, len(p.diags)
	defer func() { // hcl has its attributes in maps
		slices.SortStableFunc(p.diags[before:], func(a, b Diagnostic) int { return cmp.Or(a.Line-b.Line, a.Col-b.Col) })
	}()
	var content *hcl.BodyContent
	var diags hcl.Diagnostics
	if f == p.hclMain { // the rest of it has been read
		content, _, diags = f.body.PartialContent(&hcl.BodySchema{Attributes: rootSchema.Attributes, Blocks: rootSchema.Blocks[:1]})
	} else {
		content, diags = f.body.Content(rootSchema)
	}
	p.hclDiagnostics(src, diags)
	var chosen *hcl.Attribute
	if a := content.Attributes["kernel"]; a != nil {
		if v, ok := p.hclValue(f, a, cty.String); ok {
			kernel, chosen = v.AsString(), a
		}
	}
	var specs []PluginSpec
	for _, b := range content.Blocks.OfType("plugin") {
		s, ok := p.pluginBlock(f, b)
		clash := slices.IndexFunc(specs, func(o PluginSpec) bool {
			return o.Kind == s.Kind && (o.Name == s.Name || s.Kind != "auth") // one kernel, one log
		})
		switch {
		case !ok:
		case clash >= 0:
			p.hclError(src, b.DefRange, fmt.Sprintf("plugin %q is one too many: line %d has %s/%s", s.Kind, specs[clash].Where.Line, s.Kind, specs[clash].Name))
		case s.Kind == "kernel" && chosen != nil && s.Name != kernel:
			p.hclError(src, b.DefRange, fmt.Sprintf("plugin kernel/%s is configured, and kernel = %q chosen in line %d", s.Name, kernel, chosen.Range.Start.Line))
		default:
			specs = append(specs, s)
		}
	}
	return kernel, specs
}

// pluginBlock reads plugin "KIND" "NAME" { ... }.
func (p *parser) pluginBlock(f *hclFile, b *hcl.Block) (PluginSpec, bool) {
	src := f.src
	s := PluginSpec{Kind: b.Labels[0], Name: b.Labels[1], text: src, ctx: f.ctx, body: hcl.EmptyBody(),
		Where: policy.Position{File: src.name, Line: b.DefRange.Start.Line}}
	ok := true
	if !slices.Contains(kinds, s.Kind) {
		p.hclError(src, b.LabelRanges[0], "is no kind of plugin: "+term{alts: kinds}.want(true))
		ok = false
	}
	content, diags := b.Body.Content(pluginSchema)
	for _, d := range diags {
		if d.Summary == "Unsupported argument" && !strings.Contains(d.Detail, "Did you mean") {
			d.Detail = "what the plugin itself understands stands in its block config"
		}
	}
	p.hclDiagnostics(src, diags)
	for name, a := range content.Attributes {
		typ := cty.String
		if name == "critical" {
			typ = cty.Bool
		}
		v, fine := p.hclValue(f, a, typ)
		switch ok = ok && fine; {
		case !fine:
		case name == "critical":
			s.Critical = v.True()
		case name == "sha256":
			s.SHA256 = v.AsString()
		default:
			if s.Path = v.AsString(); !filepath.IsAbs(s.Path) {
				s.Path = filepath.Join(filepath.Dir(src.name), s.Path)
			}
		}
	}
	for i, c := range content.Blocks {
		if s.body = c.Body; i > 0 {
			p.hclError(src, c.DefRange, "is the second config block")
			ok = false
		}
	}
	return s, ok && !diags.HasErrors()
}

// hclValue evaluates an attribute of one type.
func (p *parser) hclValue(f *hclFile, a *hcl.Attribute, typ cty.Type) (cty.Value, bool) {
	v, diags := a.Expr.Value(f.ctx)
	if p.hclExpression(f, diags); diags.HasErrors() {
		return v, false
	}
	if v.IsNull() || v.Type() != typ {
		p.hclError(f.src, a.Expr.Range(), "is not expected here: "+map[cty.Type]string{cty.String: "a string", cty.Bool: "true or false"}[typ]+" is")
		return v, false
	}
	return v, true
}

func (p *parser) hclError(src *source, r hcl.Range, what string) {
	p.hclFault(src, r, codePlugins, what, "")
}

// hclDiagnostics reports what hcl says of the shape of plugin blocks.
func (p *parser) hclDiagnostics(src *source, diags hcl.Diagnostics) {
	for _, d := range diags {
		p.diags = append(p.diags, translate(src, d, codePlugins))
	}
}

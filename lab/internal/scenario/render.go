package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// View is what a configuration template sees of its end.
type View struct {
	Dir        string // private directory of the end: its files and, in run, its run directory
	Log        string // file the daemon logs to
	Self, Peer Place
	Peers      []Place // all of them; Peer is the first
	NAT        bool    // there is a NAT box between the two, or more
	Kernel     string  // racoon's back end
	Mode       string
	IPComp     bool
	IKEText    string // as the scenario spells it, which is strongSwan's spelling
	ESPText    string
	AHText     string // empty without AH
	IKE        []IKEProposal
	ESP        ESPProposal
	ShortICV   bool // HMAC-SHA2-256 is cut to 96 bits
	PSK        string
	Params     map[string]string
}

// View of an end.
func (s *Scenario) View(end, dir, log string) View {
	e := s.End(end)
	// settle has parsed both before.
	ike, _ := ParseIKE(e.IKE)
	esp, _ := ParseESP(e.ESP)
	v := View{Dir: dir, Log: log, Self: s.Place(end), NAT: len(s.Boxes()) > 0, Kernel: e.Kernel, Mode: s.Mode, IPComp: s.Uses("ipcomp"), IKEText: e.IKE, ESPText: e.ESP,
		IKE: ike, ESP: esp, ShortICV: esp.Auth == "hmac_sha256" && s.shortICV(), PSK: e.PSK, Params: e.Params}
	for _, p := range s.Peers(end) {
		v.Peers = append(v.Peers, s.Seen(p))
	}
	v.Peer = v.Peers[0]
	if s.Uses("ah") {
		_, v.AHText, _ = strings.Cut(e.ESP, "-")
	}
	return v
}

// Render writes the configuration files of an end into its directory. A
// template FILE is END.FILE or FILE of the scenario's directory, else FILE of
// the directory common beside it.
func (s *Scenario) Render(end string, v View, files []string) error {
	for _, name := range files {
		src, err := s.template(end, name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Option("missingkey=zero").Parse(src)
		if err != nil {
			return fmt.Errorf("template of %s: %w", name, err)
		}
		var out strings.Builder
		if err := t.Execute(&out, v); err != nil {
			return fmt.Errorf("template of %s: %w", name, err)
		}
		// 0600: the pre-shared key files are refused otherwise.
		if err := os.WriteFile(filepath.Join(v.Dir, name), []byte(out.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// template text of one file of an end.
func (s *Scenario) template(end, name string) (string, error) {
	common := filepath.Join(filepath.Dir(s.Dir), "common", name)
	for _, file := range []string{filepath.Join(s.Dir, end+"."+name), filepath.Join(s.Dir, name), common} {
		src, err := os.ReadFile(file)
		if err == nil {
			return string(src), nil
		}
		if !os.IsNotExist(err) {
			return "", err
		}
	}
	return "", fmt.Errorf("no template for %s in %s or %s", name, s.Dir, filepath.Dir(common))
}

// checkParams refuses a parameter that no template mentions: it would be a
// word that silently does nothing.
func (s *Scenario) checkParams() error {
	var text strings.Builder
	for _, dir := range []string{s.Dir, filepath.Join(filepath.Dir(s.Dir), "common")} {
		files, err := filepath.Glob(filepath.Join(dir, "*.*"))
		if err != nil {
			return err
		}
		for _, f := range files {
			if filepath.Base(f) == "scenario.hcl" {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			text.Write(b)
		}
	}
	for _, e := range s.Ends() {
		for k := range s.End(e).Params {
			if !strings.Contains(text.String(), ".Params."+k) {
				return fmt.Errorf("%s: parameter %q is used by no template", s.Name, k)
			}
		}
	}
	return nil
}

package scenario

import (
	"slices"
	"strings"
)

// Kernel back ends of racoon.
const (
	XFRM  = "xfrm" // what racoon takes on Linux if it is not told
	PFKey = "pfkey"
)

// daemonAndKernel of what a scenario calls a daemon: racoon-pfkey is racoon.
func daemonAndKernel(word string) (daemon, kernel string) {
	switch word {
	case "racoon":
		return word, XFRM
	case "racoon-pfkey":
		return "racoon", PFKey
	}
	return word, ""
}

// UseKernel gives every racoon this back end. If there is a reason why that
// cannot be it is returned, and nothing is changed.
func (s *Scenario) UseKernel(kernel string) (why string) {
	if s.shortICV() {
		return "it says itself which back ends it has"
	}
	if why := s.without(kernel); why != "" {
		return why
	}
	for _, name := range s.Ends() {
		if e := s.End(name); e.Daemon == "racoon" {
			e.Kernel = kernel
		}
	}
	return ""
}

// without is why the scenario goes without a back end, or empty.
func (s *Scenario) without(kernel string) string {
	switch {
	case kernel == XFRM:
		return ""
	case s.XFRMOnly != "":
		return s.XFRMOnly
	}
	for _, name := range s.Ends() {
		switch e := s.End(name); {
		case strings.Contains(e.ESP+s.ESP, "gcm"):
			return "PF_KEY of Linux has no AES-GCM"
		case e.Daemon == "libreswan" && s.Uses("ah") && strings.Contains(e.ESP+s.ESP, "sha256"):
			return "libreswan cuts HMAC-SHA2-256 to 96 bits in ESP only"
		}
	}
	return ""
}

// shortICV reports whether an end has a back end that cuts HMAC-SHA2-256 to 96
// bits: all others must do so then.
func (s *Scenario) shortICV() bool {
	return slices.ContainsFunc(s.Ends(), func(name string) bool { return s.End(name).Kernel == PFKey })
}

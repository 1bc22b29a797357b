package config

import "time"

// legacy is an allow_legacy: until when the legacy tier is accepted.
type legacy struct {
	until time.Time
	given bool
}

// day is how a date is written.
const day = "2006-01-02"

// notice is how long before its end an allow_legacy is a finding.
const notice = 30 * 24 * time.Hour

func setLegacy(p *parser, a []arg) {
	until, err := time.Parse(day, a[0].text)
	if err != nil {
		p.errorf(a[0].token, "is no day: write it as %q", p.today.AddDate(1, 0, 0).Format(day))
		return
	}
	l := legacy{until: until.AddDate(0, 0, 1), given: true}
	switch left := l.until.Sub(p.today); {
	case left <= 0:
		p.add(a[0].token, codeLegacy, Error, "is over: legacy algorithms are no longer accepted here", "replace them, or write a later day")
	case left < notice:
		p.add(a[0].token, codeLegacyEnds, Warning, "is near: from the day after, this configuration is refused", "replace the legacy algorithms, or write a later day")
	}
	switch p.in {
	case inRemote:
		p.remote.legacy = l
	case inSAInfo:
		p.sainfo.legacy = l
	default:
		p.legacy = l
	}
}

// weak reports an algorithm or mode that is not of the modern tier. Legacy ones, the
// warnings, work where a classic file names them; HCL wants allow_legacy.
func (p *parser) weak(t token, code string, sev Severity, what, fix string) {
	if sev == Warning && t.src.hcl && !p.legacyAllowed() {
		sev = Error
		fix = `replace it, or write allow_legacy = "` + p.today.AddDate(1, 0, 0).Format(day) + `": the day until which it is accepted`
	}
	p.add(t, code, sev, what, fix)
}

// legacyAllowed: the section's allow_legacy counts, else that of the file. One that
// is over has been reported where it stands.
func (p *parser) legacyAllowed() bool {
	l := p.legacy
	if p.remote != nil && p.remote.legacy.given {
		l = p.remote.legacy
	}
	if p.sainfo != nil && p.sainfo.legacy.given {
		l = p.sainfo.legacy
	}
	return l.given
}

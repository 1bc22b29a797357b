package schema

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/racoon-ike/racoon/core/sdk/config"
)

// references are what a secret may be written as; the plugin opens them itself, so
// that the secret does not pass through us.
var references = []string{"file:", "env:", "handle:"}

// scalar checks one value and gives it its normal form.
func (d *decoder) scalar(a config.Attr, at hcl.Range, v cty.Value) cty.Value {
	if v.Type() == cty.Number {
		f, _ := v.AsBigFloat().Float64()
		if a.Min != nil && f < *a.Min || a.Max != nil && f > *a.Max {
			d.errorf(at, "Number out of range", "%q is %v; %s.", a.Name, f, limits(a))
		}
		return v
	}
	if v.Type() != cty.String {
		return v
	}
	s := v.AsString()
	switch a.Kind {
	case config.FilePath:
		if s != "" && !filepath.IsAbs(s) {
			s = filepath.Join(filepath.Dir(at.Filename), s)
		}
	case config.Duration:
		t, err := parseDuration(s)
		if err != nil {
			d.errorf(at, "Invalid duration", `%q: %v; write "30s", "5 min" or "8 hour".`, a.Name, err)
		}
		s = t.String()
	case config.Secret:
		if !slices.ContainsFunc(references, func(p string) bool { return strings.HasPrefix(s, p) && len(s) > len(p) }) {
			// No subject: whoever prints the diagnostic would print the line with it.
			d.diags = append(d.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Secret written in the configuration",
				Detail: fmt.Sprintf(`%s:%d: %q must be a reference, "file:/path", "env:NAME" or "handle:NAME".`, at.Filename, at.Start.Line, a.Name),
			})
		}
		return v
	}
	if len(a.OneOf) > 0 && !slices.Contains(a.OneOf, s) {
		d.errorf(at, "Unknown word", "%q is %q; want one of %s.", a.Name, s, strings.Join(a.OneOf, ", "))
	}
	return cty.StringVal(s)
}

func limits(a config.Attr) string {
	switch {
	case a.Max == nil:
		return fmt.Sprintf("at least %v", *a.Min)
	case a.Min == nil:
		return fmt.Sprintf("at most %v", *a.Max)
	}
	return fmt.Sprintf("between %v and %v", *a.Min, *a.Max)
}

// units of racoon.conf(5), by their stem: "sec", "secs", "second" and "seconds" are
// one unit.
var units = []struct {
	stem string
	unit time.Duration
}{
	{"sec", time.Second}, {"min", time.Minute}, {"hour", time.Hour}, {"day", 24 * time.Hour}, {"week", 7 * 24 * time.Hour},
}

// parseDuration reads Go's syntax and racoon.conf's, "8 hour".
func parseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		if d < 0 {
			return 0, fmt.Errorf("%q is negative", s)
		}
		return d, nil
	}
	number, word, ok := strings.Cut(strings.TrimSpace(s), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	for _, u := range units {
		if strings.HasPrefix(strings.TrimSpace(word), u.stem) {
			if n > uint64(1<<63-1)/uint64(u.unit) {
				return 0, fmt.Errorf("%q is too long", s)
			}
			return time.Duration(n) * u.unit, nil
		}
	}
	return 0, fmt.Errorf("%q has an unknown unit", s)
}

package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/racoon-ike/racoon/core/control"
)

func reloadConfig(ctx context.Context, s *session, words []string) error {
	if len(words) > 0 {
		return wrong("reload-config takes no words, not %q", words[0])
	}
	if err := s.dial(); err != nil {
		return err
	}
	defer s.client.Close()
	if s.dry {
		p, err := s.client.PlanReload(ctx)
		if err == nil {
			s.reload(p, p.Findings, p.Changes)
		}
		return err
	}
	r, err := s.client.Reload(ctx)
	if err == nil {
		s.reload(r, r.Findings, r.Changes)
	}
	return err
}

// reload prints what a reload has changed, or in full what it would change.
func (s *session) reload(all any, findings []string, c control.Changes) {
	if s.json {
		s.print(all)
		return
	}
	for _, f := range findings {
		fmt.Fprintln(s.out, plain(f))
	}
	if s.dry {
		for _, kind := range []struct {
			what string
			control.SectionChanges
		}{{"remote", c.Remotes}, {"sainfo", c.SAInfos}} {
			s.each(kind.what, "added", kind.Added)
			s.each(kind.what, "removed", kind.Removed)
			s.each(kind.what, "changed", kind.Changed)
		}
	}
	fmt.Fprintln(s.out, summary(c))
}

func (s *session) each(what, fate string, names []string) {
	for _, n := range names {
		fmt.Fprintf(s.out, "%s %s would be %s\n", what, plain(n), fate)
	}
}

// summary is the counts, in the words of the log.
func summary(c control.Changes) string {
	var parts []string
	for _, kind := range []struct {
		what string
		control.SectionChanges
	}{{"remote", c.Remotes}, {"sainfo", c.SAInfos}} {
		if len(kind.Added)+len(kind.Removed)+len(kind.Changed) == 0 {
			continue
		}
		var counts []string
		for _, n := range []struct {
			n    int
			what string
		}{{len(kind.Added), "added"}, {len(kind.Removed), "removed"}, {len(kind.Changed), "changed"}, {kind.Kept, "kept"}} {
			if n.n > 0 {
				counts = append(counts, fmt.Sprintf("%d %s", n.n, n.what))
			}
		}
		parts = append(parts, kind.what+": "+strings.Join(counts, ", "))
	}
	if len(c.Others) > 0 {
		parts = append(parts, "changed too: "+strings.Join(c.Others, ", "))
	}
	if len(parts) == 0 {
		return "nothing has changed"
	}
	return plain(strings.Join(parts, "; "))
}

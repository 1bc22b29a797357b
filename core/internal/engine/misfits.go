package engine

import (
	"fmt"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// has reports whether the back end, as it is now, has all of some features.
func (e *Engine) has(f kernel.Feature) bool { return e.caps.Load().Features&f == f }

// misfits are the sections that the back end does not fit, as they were said last.
type misfits struct {
	mu   sync.Mutex
	of   *snapshot
	said map[doi.Misfit]bool
}

// checkFit says which sections ask for what the back end cannot do: all of a new
// configuration, and what has come when the plugin is back.
func (e *Engine) checkFit() {
	m := &e.misfits
	m.mu.Lock()
	defer m.mu.Unlock()
	now, said := e.config.Load(), m.said
	if now != m.of {
		said = nil
	}
	m.of, m.said = now, map[doi.Misfit]bool{}
	for _, f := range doi.Misfits(now.Config, doi.BackEnd{SHA256: e.icvs(isakmp.SAAuthHMACSHA256), ESN: e.has(kernel.FeatESN)}) {
		m.said[f] = true
		if said[f] {
			continue
		}
		detail := f.What + "; " + f.Fix
		if f.Remote == "" { // nothing else says which section it is
			detail = fmt.Sprintf("%s:%d: %s", f.Where.File, f.Where.Line, detail)
		}
		e.notify(notice.Notice{Event: notice.Finding, Reason: notice.Unsupported, Remote: f.Remote, Detail: detail})
	}
}

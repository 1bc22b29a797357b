package engine

import (
	"fmt"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// checkLocal says which local_address nothing listens on now: its sections can
// neither initiate nor answer.
func (e *Engine) checkLocal() {
	said := map[netip.Addr]bool{}
	for _, r := range e.config.Load().Remotes {
		if !r.LocalAddr.IsValid() || said[r.LocalAddr] {
			continue
		}
		said[r.LocalAddr] = true
		if _, ok := e.net.portOf(r.LocalAddr, kernel.SocketIKE); !ok {
			e.notify(notice.Notice{Event: notice.Finding, Reason: notice.SendFailed, Remote: r.Name,
				Detail: fmt.Sprintf("local_address %v is not an address we listen on: while it is not, the section is of no use", r.LocalAddr)})
		}
	}
}

package hooks

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// hook is one script to be run for one event.
type hook struct {
	event, path string
	lane        lane
	sa          cookies
	env         []string
	about       notice.Notice // names the SA in what is said of the hook
}

func newHook(s policy.Script, l lane, n notice.Notice) *hook {
	return &hook{event: s.Event, path: s.Path, lane: l, sa: cookies{n.CkyI, n.CkyR}, env: environment(n),
		about: notice.Notice{Remote: n.Remote, Local: n.Local, Peer: n.Peer, CkyI: n.CkyI, CkyR: n.CkyR}}
}

// name is the script's argument.
func (h *hook) name() string { return strings.ReplaceAll(h.event, "-", "_") }

// environment is all a script is told of an SA. There is no PATH, as in the original:
// a shell has a default of its own. The variables of the configuration exchange and
// of XAUTH come with those.
func environment(n notice.Notice) []string {
	env := []string{
		"LOCAL_ADDR=" + n.Local.Addr().String(), "LOCAL_PORT=" + strconv.Itoa(int(n.Local.Port())),
		"IKE_COOKIE=" + fmt.Sprintf("%x:%x", n.CkyI[:], n.CkyR[:]),
	}
	if n.Peer.IsValid() {
		env = append(env, "REMOTE_ADDR="+n.Peer.Addr().String(), "REMOTE_PORT="+strconv.Itoa(int(n.Peer.Port())))
	}
	if n.PeerID != "" {
		env = append(env, "REMOTE_ID="+harmless(n.PeerID))
	}
	return env
}

// harmless writes octets that do not print, and the backslash, as \xNN: a peer's
// words must not end a line of whatever a script writes them to.
func harmless(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == '\\' || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			for _, o := range []byte(s[:n]) {
				fmt.Fprintf(&b, `\x%02x`, o)
			}
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

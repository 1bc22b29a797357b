package control

import (
	"fmt"
	"net/netip"
	"time"
)

// Version is what the daemon says about itself.
type Version struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	PID     int       `json:"pid"`
}

// Peer is a peer with its SAs.
type Peer struct {
	Section   string         `json:"section"` // name of the remote section
	Local     netip.AddrPort `json:"local"`
	Remote    netip.AddrPort `json:"remote"`
	User      string         `json:"user,omitempty"` // XAUTH
	ISAKMP    []ISAKMPSA     `json:"isakmp"`
	IPsec     []IPsecSA      `json:"ipsec"`
	Exchanges []Exchange     `json:"exchanges"`
	Queued    int            `json:"queued"` // requests waiting for an ISAKMP SA
}

// ISAKMPSA is a phase 1 SA.
type ISAKMPSA struct {
	Cookies    string         `json:"cookies"` // "0123456789abcdef:fedcba9876543210", initiator's first
	Local      netip.AddrPort `json:"local"`
	Remote     netip.AddrPort `json:"remote"`
	Initiator  bool           `json:"initiator"`
	PeerID     string         `json:"peer_id"`
	Encryption string         `json:"encryption"`
	Hash       string         `json:"hash"`
	Group      string         `json:"group"`
	Since      time.Time      `json:"since,omitzero"`
	Expire     time.Time      `json:"expire,omitzero"`
	Exchange   string         `json:"exchange"`      // "main", "aggressive", "base"
	NAT        string         `json:"nat,omitempty"` // who is behind one: "none", "local", "remote", "both"; absent: NAT traversal is not in use
	DPD        bool           `json:"dpd"`           // agreed on
	Fragments  bool           `json:"fragments"`     // agreed on
}

// IPsecSA is a pair of phase 2 SAs, inbound and outbound.
type IPsecSA struct {
	Proto      string     `json:"proto"` // "esp", "ah", "comp"
	Mode       string     `json:"mode"`  // "tunnel", "transport"
	Local      netip.Addr `json:"local"` // end points
	Remote     netip.Addr `json:"remote"`
	Selector   Selector   `json:"selector"`
	SPIIn      SPI        `json:"spi_in"`
	SPIOut     SPI        `json:"spi_out"`
	ReqIDIn    uint32     `json:"reqid_in"`
	ReqIDOut   uint32     `json:"reqid_out"`
	Encryption string     `json:"encryption"`
	Auth       string     `json:"auth"`
	Initiator  bool       `json:"initiator"`
	Outbound   bool       `json:"outbound"` // the outbound SA is installed too
	Replaced   bool       `json:"replaced"` // a newer pair carries the traffic
	Since      time.Time  `json:"since,omitzero"`
	Soft       Seconds    `json:"soft_seconds"` // lifetimes, 0 = none
	Hard       Seconds    `json:"hard_seconds"`
	HardKB     uint64     `json:"hard_kb"` // 0 = no limit
	// Ports of ESP in UDP, 0 = not encapsulated.
	EncapLocal  uint16 `json:"encap_local"`
	EncapRemote uint16 `json:"encap_remote"`
}

// Selector is the traffic of a pair of SAs.
type Selector struct {
	Local      netip.Prefix `json:"local"`
	Remote     netip.Prefix `json:"remote"`
	LocalPort  uint16       `json:"local_port"` // 0 = any
	RemotePort uint16       `json:"remote_port"`
	Proto      uint8        `json:"proto"` // upper-layer protocol, 0 = any
}

// Exchange is a negotiation in progress.
type Exchange struct {
	Exchange  string    `json:"exchange"`
	Cookies   string    `json:"cookies"`
	MsgID     string    `json:"msgid"` // 8 hexadecimal digits
	Initiator bool      `json:"initiator"`
	Step      int       `json:"step"`    // message sent or waited for, from 1
	Waiting   string    `json:"waiting"` // "peer", or what is being computed or asked
	Since     time.Time `json:"since,omitzero"`
}

// Reload is what a reload did.
type Reload struct {
	Generation uint64   `json:"generation"` // of the configuration in force
	Findings   []string `json:"findings"`   // warnings, with file and line
	Changes    Changes  `json:"changes"`
}

// ReloadPlan is what a reload would do.
type ReloadPlan struct {
	Findings []string `json:"findings"`
	Changes  Changes  `json:"changes"`
}

// Changes are what is different between two configurations.
type Changes struct {
	Remotes SectionChanges `json:"remotes"`
	SAInfos SectionChanges `json:"sainfos"`
	Others  []string       `json:"others"` // "timer", "padding", "listen", "paths", "log", ...
}

// SectionChanges are the names of sections; of sainfo sections their identities.
type SectionChanges struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
	Kept    int      `json:"kept"`
}

// Notice is one thing that happened.
type Notice struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event"`            // "phase1-up", "phase2-failed", ...
	Reason   string    `json:"reason,omitempty"` // "no-proposal", "timed-out", ...
	Level    int       `json:"level"`            // error 8, warning 4, info 0, debug -4
	Text     string    `json:"text"`
	Section  string    `json:"section,omitempty"`
	Local    string    `json:"local,omitempty"`
	Remote   string    `json:"remote,omitempty"`
	Cookies  string    `json:"cookies,omitempty"`
	Exchange string    `json:"exchange,omitempty"`
	MsgID    string    `json:"msgid,omitempty"`
	Step     int       `json:"step,omitempty"`
	Proto    string    `json:"proto,omitempty"`
	SPIIn    SPI       `json:"spi_in,omitzero"`
	SPIOut   SPI       `json:"spi_out,omitzero"`
	Plugin   string    `json:"plugin,omitempty"`
	// Dropped says that this many notices are missing at this place, because the
	// client was too slow; the other fields are empty then.
	Dropped uint64 `json:"dropped,omitempty"`
}

// SPI is a security parameter index.
type SPI uint32

func (s SPI) String() string { return fmt.Sprintf("0x%08x", uint32(s)) }

// MarshalText makes it "0x0123abcd" in JSON.
func (s SPI) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *SPI) UnmarshalText(text []byte) error {
	var n uint32
	if _, err := fmt.Sscanf(string(text), "0x%08x", &n); err != nil || SPI(n).String() != string(text) {
		return fmt.Errorf("SPI %q is not 0x and 8 hexadecimal digits", text)
	}
	*s = SPI(n)
	return nil
}

// Seconds is a duration, a whole number of seconds in JSON.
type Seconds int64

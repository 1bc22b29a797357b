package policy

import "encoding/binary"

// Common is what the machines of all peers go by: a configuration whose sainfo sections
// are found by identity, however many there are. Their remote sections they have
// themselves. Like Sections it is made once for each snapshot, by whoever has one.
//
//	common := policy.NewCommon(cfg)
//	s := common.SAInfoFor(policy.SAInfoQuery{Local: us, Remote: them, Peer: peer})
type Common struct {
	*Config
	sainfos map[string][]placed // by filter
}

// placed is a section and its place in the file.
type placed struct {
	*SAInfo
	place int
}

// filter says what a query must be for a section to fit. The rules are those of fits;
// what is left out by a filter could not have fitted.
type filter struct {
	remoteID            uint32
	local, remote, from *SAID // nil: the section leaves it open
}

// NewCommon sorts the sainfo sections of a configuration, which must not change any
// more.
func NewCommon(c *Config) *Common {
	common := &Common{c, make(map[string][]placed, len(c.SAInfos))}
	for i, s := range c.SAInfos {
		f := filter{s.RemoteID, s.Local, s.Remote, nil}
		if s.ClientAddr { // it depends on the client
			f.remote = nil
		}
		if s.From != nil && s.From.Data != nil { // else any of a type
			f.from = &SAID{Type: s.From.Type, Data: s.From.Data}
		}
		k := string(f.append(nil))
		common.sainfos[k] = append(common.sainfos[k], placed{s, i})
	}
	return common
}

// SAInfoFor returns what Config.SAInfoFor does.
func (c *Common) SAInfoFor(q SAInfoQuery) *SAInfo {
	if c.sainfos == nil || q.Local == nil || q.Remote == nil || q.Peer == nil || q.Within { // what is missing matches every section's, and so may what is inside
		return c.Config.SAInfoFor(q)
	}
	from := &SAID{Type: q.Peer.Type, Data: q.Peer.Data}
	var best placed
	var room [128]byte
	for open := range 8 { // each of the three may be open in the section
		f := filter{q.Ph1ID, q.Local, q.Remote, from}
		if open&1 != 0 {
			f.local = nil
		}
		if open&2 != 0 {
			f.remote = nil
		}
		if open&4 != 0 {
			f.from = nil
		}
		for _, s := range c.sainfos[string(f.append(room[:0]))] {
			if (best.SAInfo == nil || s.before(best)) && s.fits(q) {
				best = s
			}
		}
	}
	return best.SAInfo
}

// before reports whether a section is tried before another one.
func (s placed) before(o placed) bool {
	if a, b := s.priority(), o.priority(); a != b {
		return a > b
	}
	return s.place < o.place
}

func (f filter) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, f.remoteID)
	for _, id := range [...]*SAID{f.local, f.remote, f.from} {
		b = id.appendCanonical(b)
	}
	return b
}

// appendCanonical writes octets that are the same for any two identities that match:
// a host's address, which may be spelled as a subnet, or type and value. Protocol and
// port are not always compared.
func (a *SAID) appendCanonical(b []byte) []byte {
	if a == nil {
		return append(b, 0)
	}
	typ, data := a.Type, a.Data
	if h, ok := a.host(); ok {
		typ, data = IDIPv6, data[:h.BitLen()/8] // its address comes first
	}
	b = append(b, 1, typ)
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

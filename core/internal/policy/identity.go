package policy

// Identity types of RFC 2407 section 4.6.2.1 that can be compared.
const (
	IDIPv4       = 1
	IDFQDN       = 2
	IDUserFQDN   = 3
	IDIPv4Subnet = 4
	IDIPv6       = 5
	IDIPv6Subnet = 6
	IDIPv4Range  = 7
	IDIPv6Range  = 8
	IDDN         = 9
	IDKeyID      = 11
)

// Identifies reports whether a peer's phase 1 identity is one the section accepts
// (racoon-conf section 9.3): without peers_identifier every identity is.
func (r *Remote) Identifies(peer Identity) bool {
	for _, id := range r.PeerIDs {
		if id.Accepts(peer) {
			return true
		}
	}
	return len(r.PeerIDs) == 0
}

// Accepts reports whether a peer's identity is the configured one: of the same
// class, and equal in length and octets. One without a value is any of its class.
// The original compares the configured length only, so that foo.example accepts
// foo.example.evil.org, and takes an entry without value for any type.
func (id Identity) Accepts(peer Identity) bool {
	if id.DN != "" { // a text is not compared with DER: that is for who knows certificates
		return false
	}
	return class(id.Type) == class(peer.Type) && (id.Data == nil || string(id.Data) == string(peer.Data))
}

// class puts addresses and subnets of both families together: racoon.conf(5) calls
// them all address.
func class(idType uint8) uint8 {
	switch idType {
	case IDIPv4Subnet, IDIPv6, IDIPv6Subnet:
		return IDIPv4
	}
	return idType
}

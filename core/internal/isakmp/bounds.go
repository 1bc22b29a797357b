package isakmp

// What one message may make us hold or loop over. Each bound is well above
// what any known peer sends and low enough that a hostile datagram stays
// cheap.
const (
	// MaxDatagram is the largest message: what UDP can carry, also after
	// reassembly of fragments.
	MaxDatagram = 65535

	// MaxBody is the largest payload body: the 16 bit length counts the
	// generic header's own four octets.
	MaxBody = 65535 - payloadHeaderLen

	// MaxPayloads per message. Certificate chains, a request per trusted
	// authority and twenty vendor IDs are the long real ones.
	MaxPayloads = 64

	// MaxProposals per SA payload; bundles (ESP and IPComp) count each.
	MaxProposals = 32

	// MaxTransforms per proposal. Old peers offer every combination of
	// cipher, hash and group.
	MaxTransforms = 128

	// MaxAttributes per transform: 16 classes in phase 1, 15 in phase 2, and
	// life types may come twice.
	MaxAttributes = 32

	// MaxConfigAttributes per mode config payload. Requests name every
	// attribute they know, answers repeat DNS servers and subnets.
	MaxConfigAttributes = 128

	// MaxSPI is the size of an ISAKMP SPI, both cookies, in notify and
	// delete. RFC 2408 §3.5 allows 0 to 16 octets for ISAKMP in a proposal.
	MaxSPI = 16

	// MaxDeleteSPIs per delete payload, about four times the ESP SPIs that
	// fit a datagram of 1500 octets.
	MaxDeleteSPIs = 1500

	// MinNonce and MaxNonce bound the nonce body, RFC 2409 §5.
	MinNonce = 8
	MaxNonce = 256

	// MaxFragments per message: 64 KiB in slices of 512 octets, as racoon cuts them.
	MaxFragments = 128
)

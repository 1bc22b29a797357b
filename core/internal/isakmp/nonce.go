package isakmp

// ParseNonce returns the body of a nonce payload of 8 to 256 octets, RFC 2409
// §5. The bodies of KE, HASH, SIG, VID and NAT-D payloads are plain octets,
// too; their sizes follow from the group, hash or key and are checked there.
func ParseNonce(body []byte) ([]byte, error) {
	if len(body) < MinNonce || len(body) > MaxNonce {
		r := newReader(PayloadNONCE, body)
		return nil, r.errorf(0, "%d octets, a nonce has %d to %d", len(body), MinNonce, MaxNonce)
	}
	return body, nil
}

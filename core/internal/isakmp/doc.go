// Package isakmp is the wire of IKEv1: RFC 2408 messages with the payloads of
// RFC 2407, 2409, 3706, 3947, mode config, Xauth and IKE fragmentation.
//
// It has two layers. The chain layer cuts a datagram into a [Header] and
// [Payload]s whose bodies alias it; IKEv1 hashes exact octets (SAi_b, IDii_b,
// all that follows a HASH), so the received form is never re-made. The typed
// layer, one file per payload, reads a body when somebody wants what is in it:
//
//	h, payloads, err := isakmp.ParseMessage(datagram)
//	if err != nil {
//		return err
//	}
//	for _, p := range payloads {
//		if p.Type == isakmp.PayloadSA {
//			sa, err := isakmp.ParseSA(p.Body) // and oakley hashes p.Body itself
//			…
//		}
//	}
//	answer := isakmp.AppendMessage(nil, h, []isakmp.Payload{{Type: isakmp.PayloadSA, Body: sa.Append(nil)}})
//
// A ParseX takes a payload body without its generic header, the X.Append
// writes one. Slices in an X alias the body and must not be modified; a value
// that outlives the datagram's buffer is copied by its keeper. ParseX bounds
// what it accepts (bounds.go); Append writes what it is given, so values that
// no ParseX returned keep to the same bounds.
//
// The package must not know state, policy, keys or which payload belongs in
// which message. It reads no clock, does no I/O, never panics on input and
// never recovers.
package isakmp

// Package pfkey is the kernel backend for PF_KEY version 2: it implements
// [github.com/racoon-ike/racoon/core/sdk/kernel.Backend] over RFC 2367 with the
// extensions of KAME, as FreeBSD, NetBSD, Darwin and Linux (af_key) have it.
//
// The systems agree on the messages and differ in numbers and layouts: a System
// has all of that as a table, one file for each, and builder and parser are pure
// functions of it. So the messages of every system are tested on any.
//
// Requests go through one socket, one at a time; every dump and every event stream
// has a socket of its own, so neither can hold up a request.
//
// What the package must not know: IKE. It sees addresses, SPIs, keys and policies,
// and no exchange.
package pfkey

// Package control is the Go client of the racoon daemon's control socket. The
// protocol is in proto/racoon/control/v1: gRPC over a Unix socket, for any
// language. It knows nothing of the daemon's inside.
//
//	c, err := control.Dial(control.DefaultSocket)
//	defer c.Close()
//	for peer, err := range c.SAs(ctx, netip.Addr{}) { ... }
//
// The types here are what `racoonctl -j` prints. Their JSON names are stable:
// names may be added, none changes its meaning. Times are RFC 3339, SPIs are
// "0x" and 8 hexadecimal digits, durations are seconds.
package control

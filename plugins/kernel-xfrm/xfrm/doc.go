// Package xfrm is the Linux kernel backend of racoon: it implements
// [github.com/racoon-ike/racoon/core/sdk/kernel.Backend] over the kernel's XFRM
// and route netlink families.
//
// The XFRM encoding is ours (uapi.go has the layout, taken from linux/xfrm.h);
// sockets and attribute decoding are github.com/mdlayher/netlink. Requests go
// through one socket, one at a time, as the kernel serves them; every dump and
// every event stream has a socket of its own, so neither can hold up a request.
//
// What the package must not know: IKE. It sees addresses, SPIs, keys and
// policies, and no exchange.
//
//	b, err := xfrm.New(xfrm.Config{ReplayWindow: 64}, slog.Default())
//	spis, err := b.AllocateSPIs(ctx, []kernel.SPIRequest{{Src: peer, Dst: own, Proto: 50}})
//	res, err := b.Apply(ctx, []kernel.Transaction{{TxnID: "7", Ops: ops, OnError: kernel.Rollback}})
package xfrm

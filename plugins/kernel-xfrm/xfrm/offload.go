//go:build linux

package xfrm

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// xfrm_user_offload: interface index, flags.
const (
	sizeOffload    = 8
	offloadFlags   = 4
	offloadIPv6    = 1 // XFRM_OFFLOAD_IPV6, INBOUND
	offloadInbound = 2
)

// saOptions are those of sa in this kernel.
func (b *Backend) saOptions(sa *kernel.SA) (opt saOptions, err error) {
	opt = saOptions{window: b.cfg.ReplayWindow, withDir: b.knowsSADir()}
	name := sa.Offload
	directed := sa.Dir == kernel.In || sa.Dir == kernel.Out
	switch {
	case name != "" && !directed:
		return opt, invalid("offload to %s of an SA without direction", name)
	case name == "" && directed && sa.Key.Proto == protoESP && sa.Encap == nil && b.offloads():
		name = b.cfg.Offload
	}
	if name != "" {
		opt.offload, err = b.linkIndex(name)
	}
	return opt, err
}

// offloads says whether SAs that name no interface have one.
func (b *Backend) offloads() bool {
	if b.cfg.Offload == "" {
		return false
	}
	p, err := b.probe()
	return err == nil && p.features&kernel.FeatOffload != 0
}

// appendOffload asks that the interface index do the work of sa.
func appendOffload(b []byte, sa *kernel.SA, index uint32) []byte {
	var flags byte
	if sa.Dir == kernel.In {
		flags |= offloadInbound
	}
	if sa.Key.Dst.Unmap().Is6() {
		flags |= offloadIPv6
	}
	return appendAttr(b, attrOffload, offload(index, flags))
}

func offload(index uint32, flags byte) []byte {
	data := make([]byte, sizeOffload)
	native.PutUint32(data, index)
	data[offloadFlags] = flags
	return data
}

// offloadOf is the index of the interface in the attributes of an SA, 0 if the
// kernel does the work itself.
func offloadOf(attrs []byte) (index uint32, err error) {
	err = eachAttr(attrs, func(typ uint16, data []byte) (err error) {
		if typ == attrOffload {
			index, err = getUint32(data, "XFRMA_OFFLOAD_DEV")
		}
		return err
	})
	return index, err
}

// nameOffload puts the name of the interface that does the work of an SA into o;
// body is the kernel's message about it. An interface that is gone has no name.
func nameOffload(o kernel.Object, body []byte, names linkNames) error {
	index, err := offloadOf(body[sizeSAInfo:])
	if err != nil || index == 0 {
		return err
	}
	l, err := names.get(index)
	if errors.Is(err, syscall.ENODEV) {
		return nil
	}
	o.SA.Offload = l.name
	return err
}

// knowsOffload says whether the kernel heeds XFRMA_OFFLOAD_DEV. One without
// CONFIG_XFRM_OFFLOAD takes anything there for granted, flags that do not exist too;
// one without esp4_offload refuses all. The loopback interface, number 1 everywhere,
// can do nothing, which is no error.
func (b *Backend) knowsOffload(withDir bool) (bool, error) {
	const loopback, noFlag = 1, 0x80
	sa := espProbe(nullEncr, hmacSHA1)
	refused, err := b.trySA(sa, probing{withDir: withDir, more: appendAttr(nil, attrOffload, offload(loopback, noFlag))})
	if err != nil || refused == nil {
		return false, err
	}
	refused, err = b.trySA(sa, probing{withDir: withDir, more: appendAttr(nil, attrOffload, offload(loopback, offloadInbound))})
	return refused == nil, err
}

// linkIndex is the index of the interface called name.
func (b *Backend) linkIndex(name string) (uint32, error) {
	req := appendAttr(make([]byte, sizeIfInfo), unix.IFLA_IFNAME, append([]byte(name), 0))
	body, err := b.route.get(unix.RTM_GETLINK, req)
	if err != nil {
		return 0, toError("interface "+name, err).Err()
	}
	l, err := decodeLink(body)
	return l.index, err
}

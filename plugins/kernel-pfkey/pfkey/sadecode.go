package pfkey

import (
	"bytes"
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// saKey reads what names an SA.
func (m *received) saKey() (kernel.Key, error) {
	e, err := m.need(extSA, sizeSA)
	if err != nil {
		return kernel.Key{}, err
	}
	src, dst, err := m.addresses()
	return kernel.Key{Src: specified(src.addr), Dst: specified(dst.addr), SPI: big.Uint32(e[saSPI:]), Proto: protocols[m.saType]}, err
}

// decodeSA reads an SA of a dump or an answer. now tells how much of its lifetime
// is used. ok is false for an SA that is not of IPsec.
func (m *received) decodeSA(now time.Time, withKeys bool) (o kernel.Object, ok bool, err error) {
	if protocols[m.saType] == 0 {
		return o, false, nil
	}
	key, err := m.saKey()
	if err != nil {
		return o, false, err
	}
	e := m.ext[extSA]
	sa := &kernel.SA{
		Key: key, ReplayWindow: m.sys.window(e[saReplay]), ESN: native.Uint32(e[saFlags:])&m.sys.ESN != 0, State: stateOf(e[saState]),
	}
	o.SA, o.Stats.Found = sa, true
	if e, err := m.get(extSA2, sizeSA2); err != nil {
		return o, false, err
	} else if e != nil {
		sa.Mode, sa.ReqID = e[sa2Mode], native.Uint32(e[sa2ReqID:])
	}
	if ext := m.sys.Replay.Ext; ext != 0 {
		if e, err := m.get(ext, sizeReplay); err != nil {
			return o, false, err
		} else if e != nil {
			sa.ReplayWindow = native.Uint32(e[replayWin:])
		}
	}
	if err := m.saKeys(sa, e[saAuth], e[saEncrypt], withKeys); err != nil {
		return o, false, err
	}
	if sa.Encap, err = m.encap(e, key); err != nil {
		return o, false, err
	}
	return o, true, m.saLife(sa, &o.Stats, now)
}

func stateOf(n uint8) kernel.SAState {
	switch n {
	case stateLarval:
		return kernel.Larval
	case stateMature:
		return kernel.Mature
	case stateDying:
		return kernel.Dying
	}
	return kernel.Dead
}

// saKeys puts the algorithms into sa. A number we do not know is algorithm 0.
func (m *received) saKeys(sa *kernel.SA, auth, encrypt uint8, withKeys bool) error {
	if sa.State == kernel.Larval {
		return nil
	}
	if sa.Key.Proto == protoIPComp {
		sa.Comp = m.sys.Comp.doi(uint16(encrypt))
		return nil
	}
	read := func(own numbers, n uint8, typ uint16) (*kernel.AlgKey, error) {
		k := &kernel.AlgKey{ID: own.doi(uint16(n))}
		e, err := m.get(typ, sizeKey)
		if err != nil || e == nil || !withKeys {
			return k, err
		}
		octets := (int(native.Uint16(e[keyBits:])) + 7) / 8
		if octets > len(e)-sizeKey {
			return nil, fmt.Errorf("PF_KEY key of %d octets in an extension of %d", octets, len(e))
		}
		k.Key = secret.New(bytes.Clone(e[sizeKey : sizeKey+octets]))
		return k, nil
	}
	var err error
	if sa.Key.Proto == protoESP {
		if sa.Encr, err = read(m.sys.Encr, encrypt, extKeyEncrypt); err != nil {
			return err
		}
	}
	if auth == 0 {
		return nil
	}
	if sa.Auth, err = read(m.sys.Auth, auth, extKeyAuth); err == nil {
		sa.Auth.Trunc = m.sys.icv(ipsec.Auth(sa.Auth.ID))
	}
	return err
}

// encap reads how an SA is encapsulated; e is the SA.
func (m *received) encap(e []byte, k kernel.Key) (*kernel.Encap, error) {
	n := m.sys.NATT
	if n.Flag != 0 {
		if native.Uint32(e[saFlags:])&n.Flag == 0 || len(e) < saPort+2 {
			return nil, nil
		}
		return &kernel.Encap{SrcPort: native.Uint16(e[saPort:])}, nil
	}
	t, err := m.get(n.Type, sizeNATT)
	if err != nil || t == nil || t[nattType] == 0 {
		return nil, err
	}
	src, err := m.port(n.SrcPort)
	if err != nil {
		return nil, err
	}
	dst, err := m.port(n.DstPort)
	return &kernel.Encap{SrcPort: src, DstPort: dst}, err
}

func (m *received) port(typ uint16) (uint16, error) {
	e, err := m.get(typ, sizeNATT)
	if err != nil || e == nil {
		return 0, err
	}
	return big.Uint16(e[nattPort:]), nil
}

func (m *received) saLife(sa *kernel.SA, st *kernel.Stats, now time.Time) error {
	hard, _, err := m.life(extLifetimeHard)
	if err != nil {
		return err
	}
	soft, _, err := m.life(extLifetimeSoft)
	if err != nil {
		return err
	}
	cur, there, err := m.life(extLifetimeCurrent)
	if err != nil {
		return err
	}
	sa.Life = kernel.Lifetime{
		SoftTime: seconds(soft.added), HardTime: seconds(hard.added), SoftBytes: soft.octets, HardBytes: hard.octets,
		SoftPackets: uint64(soft.packets), HardPackets: uint64(hard.packets),
	}
	if !there {
		return nil
	}
	st.Bytes, st.Packets, st.Added = cur.octets, uint64(cur.packets), unixTime(cur.added)
	if m.sys.UseTime == lastUse {
		st.LastUse = unixTime(cur.use)
	} else {
		st.FirstUse = unixTime(cur.use)
	}
	sa.Current = kernel.Lifetime{HardBytes: st.Bytes, HardPackets: st.Packets}
	if !st.Added.IsZero() {
		sa.Current.HardTime = max(0, now.Sub(st.Added))
	}
	return nil
}

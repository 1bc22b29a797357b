package kerneltest

import (
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// What no kernel could install is refused before anything is changed: a value that is
// not known is Unsupported, one that cannot be Invalid.

// features that a protocol and a mode need.
var (
	protoFeatures = map[uint8]kernel.Feature{ESP: kernel.FeatESP, AH: kernel.FeatAH, IPComp: kernel.FeatIPComp}
	modeFeatures  = map[uint8]kernel.Feature{kernel.ModeTransport: kernel.FeatTransport, kernel.ModeTunnel: kernel.FeatTunnel, kernel.ModeBEET: kernel.FeatBEET}
)

// checkSA looks at an SA; one that moves has new end points and nothing else.
func (f *Fake) checkSA(v kernel.SA, moves bool) *errs.Error {
	proto, known := protoFeatures[v.Key.Proto]
	switch {
	case !known:
		return errs.Errorf(errs.Unsupported, "SA of protocol %d", v.Key.Proto)
	case !v.Key.Src.IsValid() || !v.Key.Dst.IsValid() || v.Key.Src.Is4() != v.Key.Dst.Is4():
		return errs.Errorf(errs.Invalid, "SA from %s to %s", v.Key.Src, v.Key.Dst)
	case v.Key.SPI == 0:
		return errs.Errorf(errs.Invalid, "SPI 0")
	case v.Dir > kernel.Out:
		return errs.Errorf(errs.Unsupported, "SA of direction %d", v.Dir)
	case v.Offload != "":
		return errs.Errorf(errs.Unsupported, "no offload")
	case v.ReplayWindow > maxWindow:
		return errs.Errorf(errs.Invalid, "replay window of %d packets", v.ReplayWindow)
	case moves:
		return f.lacks(proto | kernel.FeatUpdateAddresses)
	}
	mode, known := modeFeatures[v.Mode]
	if !known {
		return errs.Errorf(errs.Unsupported, "SA mode %d", v.Mode)
	}
	for _, opt := range []struct {
		asked bool
		needs kernel.Feature
	}{
		{true, proto | mode}, {v.Encap != nil, kernel.FeatNATT}, {v.ESN, kernel.FeatESN}, {v.Key.Mark != nil, kernel.FeatMark},
		{v.Key.IfID != 0, kernel.FeatIfID}, {v.OutputMark != nil, kernel.FeatOutputMark}, {v.NoReplay, kernel.FeatNoReplay}, {v.Label != "", kernel.FeatLabel},
	} {
		if opt.asked {
			if err := f.lacks(opt.needs); err != nil {
				return err
			}
		}
	}
	return f.checkAlgorithms(v)
}

func (f *Fake) checkAlgorithms(v kernel.SA) *errs.Error {
	switch v.Key.Proto {
	case IPComp:
		if v.Encr != nil || v.Auth != nil {
			return errs.Errorf(errs.Invalid, "IPComp with a key")
		}
		if _, ok := f.algorithm(kernel.AlgComp, v.Comp); !ok {
			return errs.Errorf(errs.Unsupported, "compression algorithm %d", v.Comp)
		}
		return nil
	case AH:
		if v.Encr != nil || v.Auth == nil {
			return errs.Errorf(errs.Invalid, "AH authenticates and does nothing else")
		}
	case ESP:
		if v.Encr == nil || v.Comp != 0 {
			return errs.Errorf(errs.Invalid, "ESP wants an encryption algorithm")
		}
	}
	if err := f.checkKey(kernel.AlgEncr, v.Encr); err != nil {
		return err
	}
	return f.checkKey(kernel.AlgAuth, v.Auth)
}

func (f *Fake) algorithm(kind kernel.AlgKind, id uint16) (kernel.Algorithm, bool) {
	all := f.algorithms()
	i := slices.IndexFunc(all, func(a kernel.Algorithm) bool { return a.Kind == kind && a.ID == id })
	if i < 0 {
		return kernel.Algorithm{}, false
	}
	return all[i], true
}

func (f *Fake) checkKey(kind kernel.AlgKind, k *kernel.AlgKey) *errs.Error {
	if k == nil {
		return nil
	}
	a, known := f.algorithm(kind, k.ID)
	bits := k.Key.Len() * 8
	if kind == kernel.AlgEncr {
		bits -= int(ipsec.Encr(k.ID).Salt)
	}
	switch {
	case !known:
		return errs.Errorf(errs.Unsupported, "algorithm %d of kind %d", k.ID, kind)
	case bits < int(a.MinKey) || bits > int(a.MaxKey):
		return errs.Errorf(errs.Invalid, "algorithm %d with a key of %d bits, want %d to %d", k.ID, bits, a.MinKey, a.MaxKey)
	case kind == kernel.AlgAuth && k.Trunc != 0 && !slices.Contains(a.ICVs, k.Trunc):
		return errs.Errorf(errs.Unsupported, "authentication algorithm %d cut to %d bits", k.ID, k.Trunc)
	}
	return nil
}

func (f *Fake) checkPolicy(p kernel.Policy) *errs.Error {
	switch {
	case p.Key.Dir < kernel.In || p.Key.Dir > kernel.Fwd:
		return errs.Errorf(errs.Unsupported, "policy direction %d", p.Key.Dir)
	case p.Action < kernel.ActionDiscard || p.Action > kernel.ActionBypass:
		return errs.Errorf(errs.Unsupported, "policy action %d", p.Action)
	case !p.Key.Sel.Src.IsValid() || !p.Key.Sel.Dst.IsValid():
		return errs.Errorf(errs.Invalid, "policy selector %v", p.Key.Sel)
	}
	if p.Key.Mark != nil {
		if err := f.lacks(kernel.FeatMark); err != nil {
			return err
		}
	}
	if p.Key.IfID != 0 {
		if err := f.lacks(kernel.FeatIfID); err != nil {
			return err
		}
	}
	if p.Label != "" {
		if err := f.lacks(kernel.FeatLabel); err != nil {
			return err
		}
	}
	for _, t := range p.Templates {
		proto, knownProto := protoFeatures[t.Proto]
		mode, knownMode := modeFeatures[t.Mode]
		if !knownProto || !knownMode || t.Level > kernel.LevelUnique {
			return errs.Errorf(errs.Unsupported, "template of protocol %d, mode %d, level %d", t.Proto, t.Mode, t.Level)
		}
		if err := f.lacks(proto | mode); err != nil {
			return err
		}
	}
	return nil
}

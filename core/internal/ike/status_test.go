package ike_test

import (
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Both ends tell in which exchange they met, who is behind a NAT and through which
// ports ESP goes, each from where it stands.
func TestStatusOfAConnection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		behind bool
		o      iketest.Options
		nat    [2]string
	}{
		{"behind a NAT", true, iketest.Options{Modes: []policy.ExchangeMode{policy.Aggressive}, IKEFrag: policy.On, IPsecKB: 9000, DPDDelay: time.Minute}, [2]string{"local", "remote"}},
		{"no NAT", false, iketest.Options{}, [2]string{"none", "none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a, b := natWorld(tt.behind, tt.o)
			a.Acquire(b)
			w.Run(20 * time.Second)
			mode := append(tt.o.Modes, policy.Main)[0]
			for i, m := range []*iketest.Machine{a.Machines[0], b.Machines[0]} {
				st := m.Status(w.Now())
				if len(st.ISAKMP) != 1 || len(st.IPsec) != 1 {
					t.Fatalf("%+v", st)
				}
				sa, q := st.ISAKMP[0], st.IPsec[0]
				if sa.Mode != mode || sa.NAT != tt.nat[i] || sa.DPD != (tt.o.DPDDelay > 0) || sa.Fragments != (tt.o.IKEFrag == policy.On) || q.HardKB != tt.o.IPsecKB {
					t.Errorf("end %d: %+v %+v", i, sa, q)
				}
				local, remote := sa.Path.Local.Port(), sa.Path.Remote.Port()
				if !tt.behind {
					local, remote = 0, 0
				}
				if q.EncapLocal != local || q.EncapRemote != remote {
					t.Errorf("end %d: ESP in UDP from %d to %d, want %d to %d", i, q.EncapLocal, q.EncapRemote, local, remote)
				}
			}
		})
	}
}

package doi

import (
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

func TestSectionsThatWantAnotherICV(t *testing.T) {
	algs := func(ids ...uint16) (all []policy.Algorithm) {
		for _, id := range ids {
			all = append(all, policy.Algorithm{ID: id})
		}
		return all
	}
	plain, sha256 := algs(isakmp.ESPAESCBC), algs(isakmp.SAAuthHMACSHA1, isakmp.SAAuthHMACSHA256)
	for _, tt := range []struct {
		name  string
		short bool
		can   []uint16
		s     policy.SAInfo
		want  string // in What, "" = no misfit
	}{
		{"any length, 128 wanted", false, []uint16{128, 96}, policy.SAInfo{Encryption: plain, Auth: sha256}, ""},
		{"any length, 96 wanted", true, []uint16{128, 96}, policy.SAInfo{Encryption: plain, Auth: sha256}, ""},
		{"PF_KEY of Linux, 128 wanted", false, []uint16{96}, policy.SAInfo{Encryption: plain, Auth: sha256}, "the kernel back end cuts HMAC-SHA2-256 to 96 bits, where RFC 4868 has 128"},
		{"PF_KEY of Linux, 96 wanted", true, []uint16{96}, policy.SAInfo{Encryption: plain, Auth: sha256}, ""},
		{"PF_KEY of BSD, 128 wanted", false, []uint16{128}, policy.SAInfo{Encryption: plain, Auth: sha256}, ""},
		{"PF_KEY of BSD, 96 wanted", true, []uint16{128}, policy.SAInfo{Encryption: plain, Auth: sha256}, "sha256_96: the kernel back end cannot cut HMAC-SHA2-256 to 96 bits, only to 128"},
		{"a back end that says nothing", true, nil, policy.SAInfo{Encryption: plain, Auth: sha256}, ""},
		{"another algorithm", false, []uint16{96}, policy.SAInfo{Encryption: plain, Auth: algs(isakmp.SAAuthHMACSHA1)}, ""},
		{"AES-GCM", false, []uint16{96}, policy.SAInfo{Encryption: algs(isakmp.ESPAESGCM16), Auth: sha256}, ""},
		{"a sainfo of another section", false, []uint16{96}, policy.SAInfo{RemoteID: 7, Encryption: plain, Auth: sha256}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Misfits(&policy.Config{Remotes: []*policy.Remote{{Name: "x", ShortSHA256: tt.short}}, SAInfos: []*policy.SAInfo{&tt.s}}, BackEnd{tt.can, true})
			switch {
			case tt.want == "" && len(got) != 0:
				t.Errorf("got %+v", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0].What, tt.want) || got[0].Fix == "" || got[0].Remote != "x"):
				t.Errorf("got %+v, want %q", got, tt.want)
			}
		})
	}
}

func TestSectionsThatWantLongSequenceNumbers(t *testing.T) {
	where := policy.Position{File: "racoon.conf", Line: 3}
	for _, tt := range []struct {
		esn  policy.Toggle
		can  bool
		want string
	}{
		{policy.Off, false, ""},
		{policy.On, false, "esn on: the kernel back end has no sequence numbers of 64 bits: the SAs have those of 32"},
		{policy.Force, false, "esn force: the kernel back end has no sequence numbers of 64 bits: no SAs are negotiated"},
		{policy.On, true, ""},
		{policy.Force, true, ""},
	} {
		got := Misfits(&policy.Config{SAInfos: []*policy.SAInfo{{Where: where, ESN: tt.esn}}}, BackEnd{ESN: tt.can})
		switch {
		case tt.want == "" && len(got) != 0:
			t.Errorf("%v, %v: got %+v", tt.esn, tt.can, got)
		case tt.want != "" && (len(got) != 1 || got[0].What != tt.want || got[0].Fix == "" || got[0].Where != where || got[0].Remote != ""):
			t.Errorf("%v, %v: got %+v, want %q", tt.esn, tt.can, got, tt.want)
		}
	}
}

package doi

import (
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

func TestMisfits(t *testing.T) {
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
			got := Misfits(&policy.Config{Remotes: []*policy.Remote{{Name: "x", ShortSHA256: tt.short}}, SAInfos: []*policy.SAInfo{&tt.s}}, tt.can)
			switch {
			case tt.want == "" && len(got) != 0:
				t.Errorf("got %+v", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0].What, tt.want) || got[0].Fix == "" || got[0].Remote.Name != "x"):
				t.Errorf("got %+v, want %q", got, tt.want)
			}
		})
	}
}

func TestICVsAreTheStandards(t *testing.T) {
	for auth, want := range map[uint16]uint16{0: 0, isakmp.SAAuthHMACMD5: 96, isakmp.SAAuthHMACSHA1: 96,
		isakmp.SAAuthHMACSHA256: 128, isakmp.SAAuthHMACSHA384: 192, isakmp.SAAuthHMACSHA512: 256} {
		if got := ICV(auth); got != want {
			t.Errorf("%d: %d bits, want %d", auth, got, want)
		}
	}
}

package engine

import (
	"context"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// threePSKs has three keys for everybody.
type threePSKs struct{ auth.Authenticator }

func (threePSKs) DeriveSKEYIDs(_ context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	out := make([]auth.SKEYIDResult, len(rs))
	for i := range out {
		for _, id := range []string{"one", "two", "three"} {
			out[i].Candidates = append(out[i].Candidates, auth.SKEYIDCandidate{SKEYID: secret.New([]byte(id)), CredentialID: id})
		}
	}
	return out, nil
}

func TestWhoProvesFirstTakesTurnsWithItsKeys(t *testing.T) {
	h := newHouse(t, Options{Auth: map[string]auth.Authenticator{"psk": threePSKs{}}})
	a := &actor{shell: h.Engine}
	first := func(req ike.DeriveSKEYIDs) (id string) {
		h.deriveSKEYIDs(req, func(v any, err error) bool {
			cs, _ := v.([]ike.SKEYIDCandidate)
			if err != nil || len(cs) != 3 {
				t.Fatalf("%d candidates, %v", len(cs), err)
			}
			id = cs[0].CredentialID
			return true
		})
		return id
	}
	for i, tt := range []struct {
		initiator, aggressive bool
		peer                  string
		exchange              byte
		fails                 byte // the exchange of which this is said then, 0: none
		want                  string
	}{
		{true, false, "192.0.2.2", 1, 0, "one"},
		{true, false, "192.0.2.2", 1, 1, "one"}, // asked again in the same exchange
		{true, false, "192.0.2.2", 2, 9, "two"}, // another one has failed, in which no key was used
		{true, false, "192.0.2.2", 3, 3, "two"}, // it was right
		{true, false, "192.0.2.9", 4, 0, "one"}, // another peer of the section
		{true, false, "192.0.2.2", 5, 5, "three"},
		{true, true, "192.0.2.2", 6, 6, "one"}, // tries them all at once
		{false, true, "192.0.2.2", 7, 7, "one"},
		{true, false, "192.0.2.2", 8, 0, "one"}, // after the last the first
	} {
		p := path("192.0.2.1:500", tt.peer+":500")
		req := ike.DeriveSKEYIDs{Remotes: []string{"office"}, Path: p, Initiator: tt.initiator, Aggressive: tt.aggressive, ExchangeID: cookie(tt.exchange).String()}
		if got := first(req); got != tt.want {
			t.Errorf("%d: %s comes first, want %s", i, got, tt.want)
		}
		if tt.fails != 0 {
			h.noticed(a, ike.Notice{Notice: notice.Notice{Event: notice.Phase1Failed, Initiate: tt.initiator, Remote: "office", Peer: p.Remote, CkyI: cookie(tt.fails)}})
		}
	}
}

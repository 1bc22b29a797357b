package ike_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// interview is a transaction that a holds with b by hand.
type interview struct {
	t *testing.T
	*duel
	talk    ike.Talk
	dropped []notice.Reason
}

func newInterview(t *testing.T) *interview {
	d := newDuel(t)
	d.a.Establish(d.b, true)
	d.Run(time.Second)
	v := &interview{t: t, duel: d, talk: ike.Begin(d.a.Peer(d.b).Peer, isakmp.Transaction)}
	d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Dropped {
			v.dropped = append(v.dropped, n.Reason)
		}
	}
	return v
}

func (v *interview) config(c isakmp.Config) []byte {
	return v.talk.Seal([]isakmp.Payload{{Type: isakmp.PayloadAttr, Body: c.Append(nil)}})
}

// says sends a message to b and returns what b answers, nil for nothing.
func (v *interview) says(msg []byte) []byte {
	before := len(v.sent["b"])
	v.Net.Inject(v.a, v.b, msg)
	v.Run(time.Second)
	if len(v.sent["b"]) == before {
		return nil
	}
	return v.sent["b"][before]
}

func (v *interview) hears(msg []byte) isakmp.Config {
	v.t.Helper()
	ps, err := v.talk.Open(msg)
	if err != nil || len(ps) != 1 || ps[0].Type != isakmp.PayloadAttr {
		v.t.Fatalf("%v, %v", ps, err)
	}
	c, err := isakmp.ParseConfig(ps[0].Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return c
}

var (
	login   = isakmp.Config{Type: isakmp.ConfigRequest, Identifier: 7, Attrs: []isakmp.Attribute{isakmp.TLV(isakmp.CfgXAuthUserName, nil), isakmp.TLV(isakmp.CfgXAuthUserPassword, nil)}}
	status  = isakmp.Config{Type: isakmp.ConfigSet, Identifier: 8, Attrs: []isakmp.Attribute{isakmp.TV(isakmp.CfgXAuthStatus, 0)}}
	nothing = isakmp.Config{Type: isakmp.ConfigReply, Identifier: 7}
)

// Several messages under one message ID go on with its IV, as XAUTH of some peers does.
func TestATransactionIsAnsweredWithNothing(t *testing.T) {
	v := newInterview(t)
	for range 2 {
		if diff := cmp.Diff(nothing, v.hears(v.says(v.config(login)))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(isakmp.Config{Type: isakmp.ConfigAck, Identifier: 8}, v.hears(v.says(v.config(status)))); diff != "" {
			t.Error(diff)
		}
	}
	if v.dropped != nil {
		t.Errorf("dropped: %v", v.dropped)
	}
}

func TestARepeatedQuestionGetsTheSameAnswer(t *testing.T) {
	v := newInterview(t)
	msg := v.config(login)
	first := v.says(msg)
	if second := v.says(msg); first == nil || string(first) != string(second) {
		t.Errorf("%x, then %x", first, second)
	}
}

// What only whoever sees the wire can have sent neither is answered nor ends the
// transaction.
func TestAForgedQuestionIsDropped(t *testing.T) {
	v := newInterview(t)
	first := v.says(v.config(login))
	v.hears(first)
	forged := append([]byte(nil), first...)
	forged[len(forged)-1] ^= 1
	if got := v.says(forged); got != nil {
		t.Errorf("a forged message is answered with %x", got)
	}
	if diff := cmp.Diff(nothing, v.hears(v.says(v.config(login)))); diff != "" {
		t.Errorf("what comes behind it: %s", diff)
	}
	if len(v.dropped) != 1 {
		t.Errorf("dropped: %v", v.dropped)
	}
}

func TestWhatIsNoQuestionIsDropped(t *testing.T) {
	for name, c := range map[string]isakmp.Config{
		"a reply":      nothing,
		"an ack":       {Type: isakmp.ConfigAck},
		"of type 0":    {},
		"of type 9":    {Type: 9},
		"a full reply": {Type: isakmp.ConfigReply, Attrs: login.Attrs},
	} {
		t.Run(name, func(t *testing.T) {
			v := newInterview(t)
			if got := v.says(v.config(c)); got != nil {
				t.Errorf("answered with %x", got)
			}
			if diff := cmp.Diff([]notice.Reason{notice.UnexpectedPayload}, v.dropped); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("in clear", func(t *testing.T) {
		v := newInterview(t)
		h, _ := isakmp.ParseHeader(v.config(login))
		h.Flags = 0
		if got := v.says(isakmp.AppendMessage(nil, h, []isakmp.Payload{{Type: isakmp.PayloadAttr, Body: login.Append(nil)}})); got != nil {
			t.Errorf("answered with %x", got)
		}
		if diff := cmp.Diff([]notice.Reason{notice.NotEncrypted}, v.dropped); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("under the message ID of another exchange", func(t *testing.T) {
		v := newInterview(t)
		v.hears(v.says(v.config(login)))
		msg := v.config(login)
		msg[18] = byte(isakmp.QuickMode)
		if got := v.says(msg); got != nil {
			t.Errorf("answered with %x", got)
		}
		if diff := cmp.Diff([]notice.Reason{notice.BadExchange}, v.dropped); diff != "" {
			t.Error(diff)
		}
	})
}

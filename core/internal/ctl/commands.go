package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

func establishFlags(s *session, f *flag.FlagSet) {
	f.StringVar(&s.section, "n", "", "")
	f.StringVar(&s.user, "u", "", "")
	f.Bool("w", true, "") // the original waits only with it; we always do
}

func establishSA(ctx context.Context, s *session, words []string) error {
	if s.user != "" {
		return errs.Errorf(errs.Unsupported, "-u: this release cannot log a user in by XAUTH yet")
	}
	t, err := parseTarget(ctx, words, systemResolver)
	if err != nil {
		return err
	}
	if err := s.dial(); err != nil {
		return err
	}
	defer s.client.Close()
	switch {
	case t.isakmp != nil:
		err = s.client.EstablishISAKMP(ctx, *t.isakmp, s.section)
	case t.policy != nil:
		err = s.client.EstablishPolicy(ctx, *t.policy, s.section)
	default:
		err = s.client.EstablishPeer(ctx, *t.peer, s.section)
	}
	switch {
	case errors.Is(err, &errs.Error{Reason: errs.Exists}): // it is there: that is what was wanted
		err = nil
	case errors.Is(err, &errs.Error{Reason: errs.Timeout}) && expired(ctx):
		err = errs.Errorf(errs.Timeout, "not up after %v; the daemon goes on trying", s.timeout)
	}
	if err == nil && s.json {
		s.print(map[string]bool{"established": true})
	}
	return err
}

// expired reports whether the time given is up. The daemon is told it, and may be a
// little sooner than our own clock to notice.
func expired(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < 100*time.Millisecond
}

func deleteSA(ctx context.Context, s *session, words []string) error {
	ask, err := deletion(ctx, words)
	if err != nil {
		return err
	}
	if err := s.dial(); err != nil {
		return err
	}
	defer s.client.Close()
	n, err := ask(s.client)
	if err == nil && s.json {
		s.print(map[string]int{"deleted": n})
	}
	return err
}

// deletion is the request delete-sa's words mean.
func deletion(ctx context.Context, words []string) (func(*control.Client) (int, error), error) {
	if len(words) == 2 && words[0] == "spi" {
		n, err := spi(words[1])
		return func(c *control.Client) (int, error) { return c.DeleteSPI(ctx, n) }, err
	}
	switch {
	case len(words) == 0:
		return nil, wrong("say what: %s", deleteUsage)
	case len(words) == 2 && words[0] == "all":
		words = words[1:]
	case len(words) == 1:
		return nil, wrong("to delete everything with a peer say: delete-sa all %s", words[0])
	}
	t, err := parseTarget(ctx, words, systemResolver)
	return func(c *control.Client) (int, error) {
		switch {
		case t.policy != nil:
			return c.DeletePolicy(ctx, *t.policy)
		case t.isakmp != nil:
			return c.DeletePeer(ctx, *t.isakmp)
		}
		return c.DeletePeer(ctx, *t.peer)
	}, err
}

func monitor(ctx context.Context, s *session, _ []string) error {
	if err := s.dial(); err != nil {
		return err
	}
	defer s.client.Close()
	for n, err := range s.client.Monitor(ctx, nil) {
		switch {
		case err != nil:
			return err
		case s.json:
			s.print(n)
		default:
			s.notice(&n)
		}
	}
	return nil
}

func version(ctx context.Context, s *session, _ []string) error {
	if err := s.dial(); err != nil {
		return err
	}
	defer s.client.Close()
	v, err := s.client.Version(ctx)
	switch {
	case err != nil:
		return err
	case s.json:
		s.print(v)
	default:
		fmt.Fprintf(s.out, "racoon %s, process %d, since %s\n", plain(v.Version), v.PID, local(v.Started))
	}
	return nil
}

// kinds are what show-sa can be asked for: which lists of a peer remain.
var kinds = map[string]func(*control.Peer){
	"all": func(*control.Peer) {},
	"isakmp": func(p *control.Peer) {
		p.IPsec, p.Exchanges, p.Queued = []control.IPsecSA{}, []control.Exchange{}, 0
	},
	"ipsec": func(p *control.Peer) { keep(p, "esp", "ah", "comp") },
	"esp":   func(p *control.Peer) { keep(p, "esp") },
	"ah":    func(p *control.Peer) { keep(p, "ah") },
}

func keep(p *control.Peer, protos ...string) {
	p.ISAKMP, p.Exchanges, p.Queued = []control.ISAKMPSA{}, []control.Exchange{}, 0
	left := []control.IPsecSA{}
	for _, sa := range p.IPsec {
		if slices.Contains(protos, sa.Proto) {
			left = append(left, sa)
		}
	}
	p.IPsec = left
}

func showSA(ctx context.Context, s *session, words []string) error {
	kind := "all"
	if len(words) > 0 && kinds[words[0]] != nil {
		kind, words = words[0], words[1:]
	}
	var remote netip.Addr
	switch {
	case len(words) > 1:
		return wrong("show-sa takes one of all, isakmp, ipsec, esp, ah, and one address, not %q", strings.Join(words, " "))
	case len(words) == 1:
		var err error
		if remote, err = address(ctx, "ip", words[0], systemResolver); err != nil {
			return err
		}
	}
	if err := s.dial(); err != nil {
		return err
	}
	defer s.client.Close()
	list := s.newLister(kind)
	for p, err := range s.client.SAs(ctx, remote) {
		if err != nil {
			return err
		}
		kinds[kind](&p)
		if err := list.peer(&p); err != nil {
			return err
		}
	}
	return list.end()
}

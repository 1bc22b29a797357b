package core

import (
	"context"

	"github.com/racoon-ike/racoon/core/internal/control"
	"github.com/racoon-ike/racoon/core/internal/engine"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// The control socket's Daemon, in the engine's words.

var _ control.Daemon = (*racoon)(nil)

// Statuses implements control.Daemon.
func (d *racoon) Statuses(ctx context.Context) ([]ike.Status, error) {
	return d.engine.Load().Statuses(ctx)
}

// Subscribe implements control.Daemon.
func (d *racoon) Subscribe(fn func(notice.Notice)) (cancel func()) {
	return d.engine.Load().Subscribe(fn)
}

// Establish implements control.Daemon.
func (d *racoon) Establish(ctx context.Context, r control.EstablishRequest) error {
	req := engine.EstablishRequest{Local: r.Local, Remote: r.Remote, Section: r.Section}
	switch r.What {
	case control.EstablishISAKMP:
		req.ISAKMPOnly = true
	case control.EstablishPolicy:
		req.Selector, req.Proto = &r.Selector, r.Proto
	}
	return d.engine.Load().Establish(ctx, req)
}

// Delete implements control.Daemon.
func (d *racoon) Delete(ctx context.Context, peer ike.PeerKey, spi uint32) error {
	_, err := d.engine.Load().Delete(ctx, engine.DeleteRequest{Peer: &peer, SPI: spi, All: spi == 0, ISAKMP: spi == 0})
	return err
}

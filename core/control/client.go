package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	controlv1 "github.com/racoon-ike/racoon/core/control/proto/racoon/control/v1"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// DefaultSocket is where the daemon listens unless its configuration says otherwise.
const DefaultSocket = "/run/racoon/racoon.sock"

// maxAnswer bounds one message, in octets: a peer with a hundred thousand SAs.
const maxAnswer = 64 << 20

// Client talks to one daemon. Its methods may be called concurrently. Their errors
// are *errs.Error; Reason Unavailable means that the daemon does not answer.
type Client struct {
	conn *grpc.ClientConn
	rpc  controlv1.ControlServiceClient
	path string
}

// Dial connects to the daemon's socket. It fails where the socket is missing, shut
// to this user, or nobody listens.
func Dial(path string) (*Client, error) {
	// gRPC would tell of a missing socket only after its own retries, and at length.
	probe, err := net.Dial("unix", path)
	if err != nil {
		return nil, errs.Errorf(errs.Unavailable, "cannot reach the racoon daemon: %v", err)
	}
	probe.Close()
	conn, err := grpc.NewClient("passthrough:///racoon", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return &Client{conn: conn, rpc: controlv1.NewControlServiceClient(conn), path: path}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Version asks which daemon this is.
func (c *Client) Version(ctx context.Context) (Version, error) {
	r, err := c.rpc.GetVersion(ctx, &controlv1.GetVersionRequest{})
	if err != nil {
		return Version{}, c.fail(err)
	}
	return Version{Version: r.GetVersion(), Started: moment(r.GetStarted()), PID: int(r.GetPid())}, nil
}

// SAs lists the peers with their SAs, or only those at remote if it is valid. An
// error ends the list.
func (c *Client) SAs(ctx context.Context, remote netip.Addr) iter.Seq2[Peer, error] {
	return func(yield func(Peer, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := c.rpc.ShowSas(ctx, &controlv1.ShowSasRequest{Remote: addrText(remote)})
		for err == nil {
			var page *controlv1.ShowSasResponse
			if page, err = stream.Recv(); err != nil {
				break
			}
			for _, p := range page.GetPeers() {
				peer, err := peerFromProto(p)
				if !yield(peer, err) || err != nil {
					return
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(Peer{}, c.fail(err))
		}
	}
}

// EndPoints are two ends of an ISAKMP SA. Local may be invalid: whatever fits.
type EndPoints struct{ Local, Remote netip.Addr }

func (e EndPoints) toProto() *controlv1.EndPoints {
	return &controlv1.EndPoints{Local: addrText(e.Local), Remote: addrText(e.Remote)}
}

// Policy means the SAs of protocol Proto, "esp" or "ah", for a selector.
type Policy struct {
	Proto    string
	Selector Selector
}

func (p Policy) toProto() *controlv1.PolicyTarget {
	s := p.Selector
	return &controlv1.PolicyTarget{Proto: p.Proto, Selector: &controlv1.Selector{Local: prefixText(s.Local), Remote: prefixText(s.Remote),
		LocalPort: uint32(s.LocalPort), RemotePort: uint32(s.RemotePort), Proto: uint32(s.Proto)}}
}

// EstablishISAKMP brings up an ISAKMP SA and returns when it is up. section names
// the remote section, "" = by address.
func (c *Client) EstablishISAKMP(ctx context.Context, e EndPoints, section string) error {
	return c.establish(ctx, &controlv1.EstablishSaRequest{What: &controlv1.EstablishSaRequest_Isakmp{Isakmp: e.toProto()}, Section: section})
}

// EstablishPeer brings up an ISAKMP SA, then the IPsec SAs of every outbound policy
// whose tunnel ends at the peer, and returns when they are up.
func (c *Client) EstablishPeer(ctx context.Context, e EndPoints, section string) error {
	return c.establish(ctx, &controlv1.EstablishSaRequest{What: &controlv1.EstablishSaRequest_Peer{Peer: e.toProto()}, Section: section})
}

// EstablishPolicy brings up the IPsec SAs of the policy that covers the selector,
// and returns when they are up.
func (c *Client) EstablishPolicy(ctx context.Context, p Policy, section string) error {
	return c.establish(ctx, &controlv1.EstablishSaRequest{What: &controlv1.EstablishSaRequest_Policy{Policy: p.toProto()}, Section: section})
}

func (c *Client) establish(ctx context.Context, req *controlv1.EstablishSaRequest) error {
	_, err := c.rpc.EstablishSa(ctx, req)
	return c.fail(err)
}

// DeleteSPI deletes the pairs of IPsec SAs with this SPI in either direction and
// returns how many.
func (c *Client) DeleteSPI(ctx context.Context, spi SPI) (int, error) {
	return c.delete(ctx, &controlv1.DeleteSaRequest{What: &controlv1.DeleteSaRequest_Spi{Spi: uint32(spi)}})
}

// DeletePeer deletes all SAs with a peer and returns how many peers were meant.
func (c *Client) DeletePeer(ctx context.Context, e EndPoints) (int, error) {
	return c.delete(ctx, &controlv1.DeleteSaRequest{What: &controlv1.DeleteSaRequest_Peer{Peer: e.toProto()}})
}

// DeletePolicy deletes the pairs of IPsec SAs with exactly this selector and
// returns how many.
func (c *Client) DeletePolicy(ctx context.Context, p Policy) (int, error) {
	return c.delete(ctx, &controlv1.DeleteSaRequest{What: &controlv1.DeleteSaRequest_Policy{Policy: p.toProto()}})
}

func (c *Client) delete(ctx context.Context, req *controlv1.DeleteSaRequest) (int, error) {
	r, err := c.rpc.DeleteSa(ctx, req)
	return int(r.GetCount()), c.fail(err)
}

// Reload makes the daemon read its configuration again and returns when that is
// in force. The error says every reason why it is not.
func (c *Client) Reload(ctx context.Context) (Reload, error) {
	r, err := c.rpc.ReloadConfig(ctx, &controlv1.ReloadConfigRequest{})
	if err != nil {
		return Reload{}, c.fail(err)
	}
	return Reload{Generation: r.GetGeneration(), Findings: list(r.GetFindings()), Changes: changesFromProto(r.GetChanges())}, nil
}

// PlanReload says what Reload would change, and touches nothing. The error says
// every reason why the configuration would be rejected.
func (c *Client) PlanReload(ctx context.Context) (ReloadPlan, error) {
	r, err := c.rpc.PlanReload(ctx, &controlv1.PlanReloadRequest{})
	if err != nil {
		return ReloadPlan{}, c.fail(err)
	}
	return ReloadPlan{Findings: list(r.GetFindings()), Changes: changesFromProto(r.GetChanges())}, nil
}

// Monitor gives what happens from now on, until ctx ends or the loop is left. ready,
// if not nil, is called once nothing that happens after it can be missed.
func (c *Client) Monitor(ctx context.Context, ready func()) iter.Seq2[Notice, error] {
	return func(yield func(Notice, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := c.rpc.Monitor(ctx, &controlv1.MonitorRequest{})
		for err == nil {
			var m *controlv1.MonitorResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			switch what := m.GetWhat().(type) {
			case *controlv1.MonitorResponse_Ready:
				if ready != nil {
					ready()
				}
			case *controlv1.MonitorResponse_Dropped:
				if !yield(Notice{Dropped: what.Dropped}, nil) {
					return
				}
			case *controlv1.MonitorResponse_Notice:
				if !yield(noticeFromProto(what.Notice), nil) {
					return
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(Notice{}, c.fail(err))
		}
	}
}

// fail is a status as a caller gets it.
func (c *Client) fail(err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return errs.Errorf(errs.Reason(info.GetReason()), "%s", st.Message())
		}
	}
	switch st.Code() {
	case codes.Canceled:
		return errs.Errorf(errs.Unavailable, "given up")
	case codes.DeadlineExceeded:
		return errs.Errorf(errs.Timeout, "no answer in time")
	case codes.Unavailable:
		return errs.Errorf(errs.Unavailable, "the racoon daemon at %s has gone: %s", c.path, st.Message())
	case codes.Unimplemented:
		return errs.Errorf(errs.Unsupported, "this racoon daemon cannot do that: %s", st.Message())
	}
	return errs.Errorf(errs.Internal, "%s", st.Message())
}

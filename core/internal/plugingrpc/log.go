package plugingrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	logv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/log/v1"
)

// LogClient implements logsink.Sink.
type LogClient struct{ c logv1.LogServiceClient }

// NewLogClient makes a client of the log service on cc.
func NewLogClient(cc grpc.ClientConnInterface) *LogClient {
	return &LogClient{logv1.NewLogServiceClient(conn{cc, LogTimeout})}
}

func (c *LogClient) Write(ctx context.Context, b logsink.Batch) error {
	_, err := c.c.Write(ctx, &logv1.WriteRequest{
		Seq: b.Seq, Dropped: b.Dropped, Records: mapped(b.Records, recordToProto),
	})
	return err
}

func recordToProto(r logsink.Record) *logv1.Record {
	return &logv1.Record{
		Time: timestamp(r.Time), Level: int32(r.Level), Msg: text(r.Msg), Source: text(r.Source),
		Attrs: mapped(r.Attrs, func(a logsink.Attr) *logv1.Attr { return &logv1.Attr{Key: text(a.Key), Value: text(a.Value)} }),
	}
}

func (c *LogClient) Flush(ctx context.Context) error {
	_, err := c.c.Flush(ctx, &logv1.FlushRequest{})
	return err
}

func (c *LogClient) Reopen(ctx context.Context) error {
	_, err := c.c.Reopen(ctx, &logv1.ReopenRequest{})
	return err
}

type logServer struct {
	logv1.UnimplementedLogServiceServer
	src Source[logsink.Sink]
}

// RegisterLog serves what src hands out.
func RegisterLog(r grpc.ServiceRegistrar, src Source[logsink.Sink]) {
	logv1.RegisterLogServiceServer(r, logServer{src: src})
}

func (s logServer) Write(ctx context.Context, m *logv1.WriteRequest) (*logv1.WriteResponse, error) {
	var d decoder
	batch := logsink.Batch{Seq: m.Seq, Dropped: m.Dropped, Records: mapped(m.Records, d.record)}
	if d.err != nil {
		return nil, d.err
	}
	return call(s.src, func(l logsink.Sink) (*logv1.WriteResponse, error) {
		return &logv1.WriteResponse{}, l.Write(ctx, batch)
	})
}

func (d *decoder) record(r *logv1.Record) logsink.Record {
	if int32(logsink.Level(r.GetLevel())) != r.GetLevel() {
		d.fail(errs.Invalid, "log level %d is out of range", r.GetLevel())
	}
	return logsink.Record{
		Time: timeOf(r.GetTime()), Level: logsink.Level(r.GetLevel()), Msg: r.GetMsg(), Source: r.GetSource(),
		Attrs: mapped(r.GetAttrs(), func(a *logv1.Attr) logsink.Attr { return logsink.Attr{Key: a.GetKey(), Value: a.GetValue()} }),
	}
}

func (s logServer) Flush(ctx context.Context, _ *logv1.FlushRequest) (*logv1.FlushResponse, error) {
	return call(s.src, func(l logsink.Sink) (*logv1.FlushResponse, error) {
		return &logv1.FlushResponse{}, l.Flush(ctx)
	})
}

func (s logServer) Reopen(ctx context.Context, _ *logv1.ReopenRequest) (*logv1.ReopenResponse, error) {
	return call(s.src, func(l logsink.Sink) (*logv1.ReopenResponse, error) {
		return &logv1.ReopenResponse{}, l.Reopen(ctx)
	})
}

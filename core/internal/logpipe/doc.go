// Package logpipe carries log records from whoever has one to the sinks. The
// producer never waits: every sink has a bounded ring and a goroutine of its own,
// and a sink that is slow, wedged or dead costs the oldest records of the lowest
// severity, which are counted. It knows nothing of IKE and of what is logged.
//
//	p := logpipe.New(os.Stderr, slog.LevelInfo, sink)
//	slog.New(p.Handler("engine")).Info("racoon starting")
//	defer p.Close(ctx)
//
// A batch that was not acknowledged is sent again, with the same sequence number:
// records arrive in order and at least once. While no sink works, warnings and
// errors also go to the bootstrap writer.
package logpipe

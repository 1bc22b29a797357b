package plugin

import (
	"io"
	"log/slog"
)

// levels are racoon's six in the words of a plugin's log lines.
var levels = []struct {
	level slog.Level
	name  string
}{{8, "error"}, {4, "warn"}, {2, "notice"}, {0, "info"}, {-4, "debug"}, {-8, "trace"}}

// newLogger writes JSON lines as the host reads them from a plugin's stderr:
// hclog's "@level", "@message" and "@timestamp", attributes beside them.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	replace := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			a.Key = "@timestamp"
		case slog.MessageKey:
			a.Key = "@message"
		case slog.LevelKey:
			l, ok := a.Value.Any().(slog.Level)
			if !ok {
				break // an attribute of that name
			}
			return slog.String("@level", levelName(l))
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace}))
}

func levelName(l slog.Level) string {
	for _, v := range levels {
		if l >= v.level {
			return v.name
		}
	}
	return levels[len(levels)-1].name
}

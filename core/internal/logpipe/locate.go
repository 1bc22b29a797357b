package logpipe

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// Locate makes every message begin with the place in the program it comes from, as
// racoon -L does: "receive.go:57:route(): message dropped".
func (p *Pipe) Locate(on bool) { p.locate.Store(on) }

// passing are the functions a record passes through on its way here.
var passing = []string{"/logpipe.", "log/slog.", ".notify", ".Notify", ".noticed"}

// location is the nearest caller that is not one of passing.
func location() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		through := false
		for _, s := range passing {
			through = through || strings.Contains(f.Function, s)
		}
		if !through && f.Function != "" {
			name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
			_, name, _ = strings.Cut(name, ".")
			return fmt.Sprintf("%s:%d:%s(): ", path.Base(f.File), f.Line, name)
		}
		if !more {
			return ""
		}
	}
}

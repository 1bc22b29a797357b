package psk

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// fileKind is what a store needs to know of its file's content.
type fileKind struct {
	parse func(content []byte) (*table, []finding) // keeps no part of content
	judge *strength.Judge
	asked map[string]bool // names that sections ask for
}

// read makes a table of a content and looks at the keys, unless round is nil.
func (k *fileKind) read(content []byte, round *strength.Round) (*table, []finding) {
	t, findings := k.parse(content)
	if round != nil {
		findings = append(findings, audit(t, round, k.asked)...)
	}
	return t, ordered(findings)
}

// store is the keys of one file, read again when the file changes.
type store struct {
	path string
	uid  uint32
	log  *slog.Logger
	fileKind

	mu    sync.Mutex // also held while keys are used: a replaced table is zeroed
	table *table     // nil until the file could be read once
	stamp stamp
	err   *errs.Error // why the file as it is now could not be taken
	since time.Time   // of err, or of the table
}

// open reads the file for the first time, judging its keys unless round is nil. The
// store is good for use whatever the error: the file is looked at again before every
// use.
func open(path string, log *slog.Logger, content fileKind, round *strength.Round) (*store, []finding, *errs.Error) {
	s := &store{path: path, uid: uint32(os.Geteuid()), log: log, fileKind: content}
	findings, err := s.refresh(round)
	return s, findings, err
}

// refresh reads the file again if it has changed. If it cannot be taken the old
// keys stay, and the reason is kept for Health. The caller holds mu.
func (s *store) refresh(round *strength.Round) ([]finding, *errs.Error) {
	if fi, err := os.Stat(s.path); err == nil && s.table != nil && stampOf(fi) == s.stamp {
		s.setError(nil)
		return nil, nil
	}
	data, stamp, err := readSecret(s.path, s.uid)
	s.setError(err)
	if err != nil {
		return nil, err
	}
	t, findings := s.read(data, round)
	clear(data)
	if s.table != nil {
		s.table.zero()
	}
	s.table, s.stamp, s.since = t, stamp, time.Now()
	return findings, nil
}

// setError notes the state of the file, and when it changed.
func (s *store) setError(err *errs.Error) {
	if s.err == nil && err == nil || s.err != nil && err != nil && s.err.Msg == err.Msg {
		return
	}
	s.err, s.since = err, time.Now()
	if err != nil && s.table != nil {
		s.log.Warn("pre-shared keys not read again, the old ones stay: "+err.Msg, "file", s.path)
	}
}

// use calls fn with the keys as the file has them now, or else as it last had
// them. The error means that there are none at all.
func (s *store) use(fn func(*table)) *errs.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	findings, err := s.refresh(s.judge.Round())
	for _, f := range findings {
		s.log.Log(context.Background(), f.level(), f.text, "file", s.path, "line", f.line, "code", f.code)
	}
	if s.table == nil {
		return err
	}
	fn(s.table)
	return nil
}

// state is for Health.
func (s *store) state() (keys int, err *errs.Error, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table != nil {
		keys = len(s.table.entries)
	}
	return keys, s.err, s.since
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table != nil {
		s.table.zero()
		s.table = nil
	}
}

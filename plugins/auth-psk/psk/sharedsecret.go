package psk

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/secret"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// sharedSecret is where the secret of one remote section comes from, if it is not
// found by the peer's address and identity: racoon.conf's shared_secret.
type sharedSecret struct {
	remote string
	key    string // name of an entry of the key file, or
	table  *table // the secret itself, its one entry, or
	file   *store // the file that holds it and nothing else
}

// block is shared_secret "REMOTE" { ... } as configured. Use may hold a secret.
type block struct {
	Key string          `json:"key"`
	Use json.RawMessage `json:"use"`
}

// literal begins what only the daemon can write: the schema refuses it in a file.
const literal = `"literal:`

// open makes the source a block describes.
func (b block) open(remote string, log *slog.Logger, judge *strength.Judge, round *strength.Round) (*sharedSecret, []finding, *errs.Error) {
	s := &sharedSecret{remote: remote, key: b.Key}
	content := fileKind{parse: whole(remote), judge: judge}
	switch given := len(b.Use) > 0; {
	case given == (b.Key != ""):
		return nil, nil, errs.Errorf(errs.Invalid, "write either key or use")
	case !given:
		return s, nil, nil
	case bytes.HasPrefix(b.Use, []byte(literal)):
		text := bytes.TrimSuffix(b.Use[len(literal):], []byte{'"'})
		raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(raw, text)
		if err != nil {
			return nil, nil, errs.Errorf(errs.Invalid, "the literal is not base64")
		}
		var findings []finding
		s.table, findings = content.read(raw[:n], round)
		clear(raw)
		return s, findings, nil
	}
	var use string
	if err := json.Unmarshal(b.Use, &use); err != nil {
		return nil, nil, errs.Errorf(errs.Invalid, "use is no string")
	}
	scheme, rest, _ := strings.Cut(use, ":")
	switch scheme {
	case "file":
		if !filepath.IsAbs(rest) {
			return nil, nil, errs.Errorf(errs.Invalid, `use = "file:/PATH" needs an absolute path`)
		}
		var findings []finding
		var err *errs.Error
		s.file, findings, err = open(rest, log, content, round)
		return s, findings, err
	case "env":
		value, ok := os.LookupEnv(rest)
		if !ok {
			s.table = new(table)
			return s, nil, errs.Errorf(errs.NotFound, "the daemon was started without the variable %.80q", rest)
		}
		var findings []finding
		s.table, findings = content.read([]byte(value), round)
		return s, findings, nil
	}
	return nil, nil, errs.Errorf(errs.Invalid, `use is neither "file:/PATH" nor "env:NAME"`)
}

// whole takes a text as one secret, of a section. A newline at its end is the
// editor's.
func whole(remote string) func([]byte) (*table, []finding) {
	return func(content []byte) (*table, []finding) {
		key := bytes.Clone(bytes.TrimSuffix(content, []byte{'\n'}))
		if len(key) == 0 {
			return new(table), []finding{{code: "PSK014", severity: config.Warning, text: "the secret is empty", fix: useRandom}}
		}
		t := &table{entries: []entry{{id: remote, key: secret.New(key)}}, first: map[string]int{remote: 0}}
		if bytes.IndexByte([]byte(blanks), key[len(key)-1]) >= 0 {
			return t, []finding{{code: "PSK002", severity: config.Warning, text: "ends with a blank or a carriage return, which is part of the secret",
				fix: "remove it, unless the peer's key ends with it too"}}
		}
		return t, nil
	}
}

// each calls fn with the section's secrets. keys is the key file, nil if there is
// none to be had, which noFile explains.
func (s *sharedSecret) each(keys *table, noFile *errs.Error, fn func(*entry, string)) *errs.Error {
	credential := "shared_secret " + s.remote
	give := func(t *table) {
		for i := range t.entries {
			fn(&t.entries[i], credential)
		}
	}
	switch {
	case s.file != nil:
		if err := s.file.use(give); err != nil {
			return err
		}
	case s.table != nil:
		give(s.table)
	case keys == nil:
		return noFile
	default:
		found := keys.named(s.key)
		if len(found) == 0 || found[0].bad {
			return errs.Errorf(errs.NotFound, "shared_secret of section %.80q names the key %.80q, which the key file does not have", s.remote, s.key)
		}
		for i := range found {
			fn(&found[i], fmt.Sprintf("%s line %d", credential, found[i].line))
		}
	}
	return nil
}

func (s *sharedSecret) close() {
	if s.file != nil {
		s.file.close()
	}
	if s.table != nil {
		s.table.zero()
	}
}

package setkey

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// Script reads commands one at a time, as they are typed.
type Script struct {
	file string
	in   *bufio.Reader
	line int
	over bool
}

// NewScript reads from in; file is its name in messages.
func NewScript(file string, in io.Reader) *Script {
	return &Script{file: file, in: bufio.NewReader(in), line: 1}
}

// maxCommand bounds a command that does not end.
const maxCommand = 64 << 10

// Next waits for a semicolon and returns the command before it, or what is wrong
// with it: an *Error, behind which it goes on. io.EOF is the end.
func (s *Script) Next() ([]Command, error) {
	if s.over {
		return nil, io.EOF
	}
	first := s.line
	text, err := s.statement()
	if err != nil && !errors.Is(err, io.EOF) {
		s.over = true
		return nil, err
	}
	s.over = err != nil
	cmds, over, err := parseFrom(s.file, text, first)
	s.over = s.over || over
	if err == nil && len(cmds) == 0 && s.over {
		err = io.EOF
	}
	return cmds, err
}

// statement is the text up to the next semicolon outside comments and strings.
func (s *Script) statement() (string, error) {
	var b strings.Builder
	for quoted, comment := false, false; ; {
		c, err := s.in.ReadByte()
		if err != nil {
			return b.String(), err
		}
		if b.WriteByte(c); b.Len() > maxCommand {
			return "", &Error{Pos{s.file, s.line}, "the command is too long: a semicolon or a quotation mark is missing"}
		}
		switch {
		case c == '\n':
			s.line++
			comment = false
		case comment:
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '#':
			comment = true
		case c == ';':
			return b.String(), nil
		}
	}
}

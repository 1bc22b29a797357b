package config

import (
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

// source is the text of one file, with what is needed to quote from it.
type source struct {
	name   string // as opened
	text   string
	hcl    bool   // else classic
	lines  []int  // offset of each line's first octet
	hidden []span // what no message may show; found at the first diagnostic
	masked bool
}

type span struct{ from, to int }

func newSource(name, text string) *source {
	s := &source{name: name, text: text, hcl: strings.HasSuffix(name, ".hcl"), lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// position returns line and column, both from 1; the column counts characters.
func (s *source) position(off int) (line, col int) {
	line = sort.SearchInts(s.lines, off+1)
	return line, utf8.RuneCountInString(s.text[s.lines[line-1]:off]) + 1
}

// line returns line n (from 1) without its end, secrets replaced by asterisks.
func (s *source) line(n int) string {
	from := s.lines[n-1]
	to := len(s.text)
	if n < len(s.lines) {
		to = s.lines[n]
	}
	return strings.TrimRight(s.show(from, to), "\r\n")
}

// show returns the text between two offsets with everything secret in it masked,
// character by character so that columns stay.
func (s *source) show(from, to int) string {
	if !s.masked {
		s.masked = true
		if s.hcl {
			s.hidden = hclSecrets(s.text)
		} else {
			s.hidden = secrets(s.text)
		}
	}
	out := s.text[from:to]
	for _, h := range s.hidden {
		a, b := max(h.from, from)-from, min(h.to, to)-from
		if a >= b {
			continue
		}
		hide := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n\";{}", r) {
				return r
			}
			return '*'
		}, out[a:b])
		out = out[:a] + hide + out[b:]
		if len(hide) != b-a { // characters of several octets became shorter: offsets no longer fit, hide the rest
			return out[:a] + hide
		}
	}
	return out
}

// secretWord finds the words whose values are secret: shared_secret, bind_pw, the
// servers of radiuscfg, and whatever a person may have called a secret.
var secretWord = regexp.MustCompile(`(?i)(?:^|[\s;{}])(auth|acct|bind_pw|psk|pre_shared_key|\w*secret\w*|\w*passw\w*)\s`)

// harmless are words before a secret word after which it names a file or a method.
var harmless = regexp.MustCompile(`\b(path|authentication_method)\s+$`)

// secrets returns the spans a message must not show: from behind a secret word to
// the end of its statement's last line. It reads the raw text and not the tokens,
// so that an unclosed quote somewhere before cannot uncover anything.
func secrets(text string) []span {
	var out []span
	for _, m := range secretWord.FindAllStringSubmatchIndex(text, -1) {
		word, end := m[2], m[3]
		before := text[strings.LastIndexByte(text[:word], '\n')+1 : word]
		if harmless.MatchString(before) || text[word:end] == "save_passwd" {
			continue
		}
		from := end
		if !strings.Contains(before, "#") {
			for quoted := false; end < len(text) && (quoted || text[end] != ';' && text[end] != '}'); end++ {
				quoted = quoted != (text[end] == '"')
			}
		}
		if nl := strings.IndexByte(text[end:], '\n'); nl >= 0 {
			end += nl
		} else {
			end = len(text)
		}
		out = append(out, span{from, end})
	}
	return out
}

// hclSecret finds the attributes whose values may be secret.
var hclSecret = regexp.MustCompile(`(?i)\b(?:(?:\w*secret\w*|\w*passw\w*|\w*passph\w*|\w*psk\w*|\w*key|bind_pw|use|pin|token)\s*[=:]` +
	`|(?:\w*secret|\w*passw\w*|psk|bind_pw|use)[ \t]+["'\w])`)

// hclReference is a value that says where a secret is, and may be shown.
var hclReference = regexp.MustCompile(`^\s*"(file|env|handle):[^"$]*"`)

// opened is how many brackets of a line are not closed in it.
func opened(line string) (n int) {
	for i := range len(line) {
		switch line[i] {
		case '(', '[', '{':
			n++
		case ')', ']', '}':
			n--
		}
	}
	return n
}

// hclSecrets is secrets for HCL: the rest of the line, or a heredoc to its end.
func hclSecrets(text string) []span {
	var out []span
	for _, m := range hclSecret.FindAllStringIndex(text, -1) {
		from := m[1]
		if c := text[from-1]; c != '=' && c != ':' { // without an equals sign: its first character is the secret's
			from--
		}
		line, _, _ := strings.Cut(text[from:], "\n")
		if hclReference.MatchString(line) || strings.TrimRight(text[m[0]:from], " \t\r\n=:") == "rekey" {
			continue
		}
		end := from + len(line)
		for open := opened(line); open > 0 && end < len(text); open += opened(line) { // a value on several lines
			line, _, _ = strings.Cut(text[end+1:], "\n")
			end += 1 + len(line)
		}
		if _, marker, ok := strings.Cut(line, "<<"); ok {
			if n := strings.Index(text[end:], strings.Trim(marker, " -\r")); n >= 0 {
				end += n
			} else {
				end = len(text)
			}
		}
		out = append(out, span{from, end})
	}
	return out
}

package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"os"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// commented has a comment wherever one may be.
const commented = `#! first line
# c1 before the first statement
path # c2 inside a statement
	certificate "certs"; # c3 behind a statement
path certificate "other"; # c4 behind what replaces it
# c5 before a statement that is not carried over
pfkey_buffer 5; # c6 behind it
privsep { # c7 behind its brace
	user "x"; # c8 in it
	# c9 at its end
} # c10 behind it

# c11 a paragraph

# c12 before a block
remote "a" # c13 in a header
{ # c14 behind a brace
	# c15 before
	exchange_mode main, # c16 inside a list
		# c17 on a line of its own
		base; # c18 behind a list
	nonce_size 16; # c19 behind what is replaced
	# c20 before what replaces it
	nonce_size 32; # c21 behind what replaces it
	peers_identifier fqdn "a"; # c22 one of several
	verify_identifier on;
	peers_identifier fqdn "b"; # c23 another
	proposal { # c24 nested
		encryption_algorithm aes; hash_algorithm sha256; # c25 behind two
		authentication_method pre_shared_key;
		dh_group 14;
		# c26 at the end of a block
	} # c27 behind a nested block
	shared_secret use "s"; # c28 in a group
	# c29 before a directive of several words
	script "up" phase1_up; # c30 behind it
	# c31 at the end
} # c32 behind a block
# c33 between
remote "b" inherit "a"; # c34 behind a section without a block
sainfo anonymous { # c35
	# c36 before what is missing in HCL's words
	encryption_algorithm aes; # c37
	encryption_algorithm 3des; # c38
	authentication_algorithm hmac_sha1;
	compression_algorithm deflate; # c39
} # c40
listen { # c41
	# c42 nothing else
}
include "none-*"; # c43 octets that are no UTF-8: ` + "\xff\xfe" + ` c44
# c45 the end`

var marks = regexp.MustCompile(`\bc\d+\b`)

// lost are the marks of a text that another has not.
func lost(from, to string) (out []string) {
	for _, m := range marks.FindAllString(from, -1) {
		if !regexp.MustCompile(`\b` + m + `\b`).MatchString(to) {
			out = append(out, m)
		}
	}
	return out
}

// TestCommentsSurvive the way to HCL and back, wherever they stand.
func TestCommentsSurvive(t *testing.T) {
	secrets := map[string]secret.Bytes{}
	hcl := converted(t, "testdata/good", "x.conf", commented, secrets)
	back := converted(t, "testdata/good", "x.hcl", hcl, secrets)
	if m := lost(commented, hcl); m != nil {
		t.Errorf("lost on the way to HCL: %v", m)
	}
	if m := lost(commented, back); m != nil {
		t.Errorf("lost on the way back: %v", m)
	}
	golden(t, "testdata/comments.hcl", hcl)
	golden(t, "testdata/comments.conf", back)
}

// TestCommentsOfTheHCLCorpusSurvive, except those in blocks of plugins, which go to
// plugins.hcl with them.
func TestCommentsOfTheHCLCorpusSurvive(t *testing.T) {
	for _, f := range hclFiles(t, "good") {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		text := regexp.MustCompile(`(?m)(^|\s)(#|//|/\*)`).ReplaceAllStringFunc(string(raw), func(s string) string {
			n++
			return s + " c" + strings.Repeat("9", 4) + string(rune('0'+n/10)) + string(rune('0'+n%10)) + " "
		})
		text = strings.NewReplacer("env:RADIUS_SECRET", "file:radius.secret", "handle:radius", "file:radius.secret", `\"`, "'").Replace(text)
		p := readingSecrets(hermetic(t, filepath.Dir(f), "x.hcl"), referenced())
		c, err := p.convert(text, ConvertOptions{})
		if err != nil {
			t.Errorf("%s: %v\n%s", f, err, render(p.diags))
			continue
		}
		if m := lost(text, c.Text+c.Plugins); m != nil {
			t.Errorf("%s: lost %v of\n%s\nin\n%s", f, m, text, c.Text)
		}
	}
}

package setkey

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func TestAnErrorNamesThePlaceAndTheRemedy(t *testing.T) {
	const ends = "192.0.2.1 192.0.2.2 "
	for _, tt := range []struct{ name, text, want string }{
		{"no command", "frob;", `FILE:1: "frob" is no command: write add,`},
		{"the manual's update", "update;", `there is no command "update"`},
		{"the line counts", "flush;\n\n# x\nadd\n  a\n  b frob;", "FILE:6: \"frob\" is no protocol of an SA: write esp,"},
		{"no semicolon", "flush", "FILE:1: the end of the text is not expected here: a semicolon"},
		{"a word too much", "spdflush esp;", `"esp" is not expected here: a semicolon`},
		{"a string without end", "flush;\nadd a b esp 256 -E null \"x", "FILE:2: the string that begins here does not end"},
		{"a strange character", "flush $;", "character '$' has no meaning here"},
		{"a lone dash", "add - a b;", `"-" without a letter`},
		{"a keyword as host", "add esp 192.0.2.1 esp 256;", `"esp" is not expected here: the source is an address`},
		{"two families", "add -46 " + ends + "esp 256;", "-4 and -6 in one command"},
		{"an option out of place", "add -u " + ends + "esp 256;", `where only -4, -6 and -n may`},
		{"a prefix at an SA", "add 192.0.2.1/32 192.0.2.2 esp 256;", "the source is one address, without a prefix length"},
		{"a port in deleteall", "deleteall 192.0.2.1 192.0.2.2[500] esp;", "the destination has no port in this command"},
		{"an unclosed port", "add 192.0.2.1[500 192.0.2.2 esp 256;", `"]" ends the port`},
		{"an old protocol", "add " + ends + "esp-old 256;", "write esp"},
		{"TCP", "add " + ends + "tcp 0x1000 -A tcp-md5 \"x\";", "no kernel plugin has"},
		{"no protocol", "add " + ends + "256;", `"256" is no protocol of an SA`},
		{"an SPI too large", "add " + ends + "esp 0x100000000;", "the SPI 0x100000000 is too large"},
		{"a decimal SPI too large", "add " + ends + "esp 4294967296;", "too large"},
		{"a reserved SPI", "add " + ends + "esp 255;", "the SPI 255 is reserved: write 256"},
		{"a CPI too large", "add " + ends + "ipcomp 0x10000 -C deflate;", "the CPI 0x10000 is out of range: 1 to 65535"},
		{"no SPI", "get " + ends + "esp frob;", "the SPI is a number"},
		{"an unknown option", "add " + ends + "esp 256 -z 5;", "option -z is unknown: write -m,"},
		{"an unknown mode", "add " + ends + "esp 256 -m beet;", "write -m transport, -m tunnel"},
		{"zero padding", "add " + ends + "esp 256 -f zero-pad;", "write -f seq-pad or leave it out"},
		{"a word for a number", "add " + ends + "esp 256 -lh soon;", "the number of seconds behind -lh is a decimal number"},
		{"a number too large", "add " + ends + "esp 256 -u 4294967296;", "it may be up to 4294967295"},
		{"a window of IPComp", "add " + ends + "ipcomp 256 -r 4 -C deflate;", "IPComp has no sequence numbers"},
		{"a label of another LSM", "add " + ends + `esp 256 -ctx 1 2 "x" -E null;`, "write -ctx 1 1"},
		{"an algorithm unknown", "add " + ends + `esp 256 -E aes "x";`, `-E: "aes" is no algorithm here: write one of des-cbc, 3des-cbc`},
		{"an algorithm of old", "add " + ends + `ah 256 -A keyed-md5 "sixteen octets !";`, "write hmac-md5 or better"},
		{"a key too short", "add " + ends + `esp 256 -E aes-cbc "short";`, "the key of aes-cbc has 5 octets: it must have 16 or 24 or 32"},
		{"17 octets of AES", "add " + ends + `esp 256 -E aes-cbc "seventeen octets!";`, "it must have 16 or 24 or 32"},
		{"no nonce", "add " + ends + `esp 256 -E aes-ctr "sixteen octets !";`, "the last 4 of which are the nonce"},
		{"a key forgotten", "add " + ends + "esp 256 -E aes-cbc -A null;", "the key of aes-cbc is 0x and hexadecimal digits"},
		{"a decimal key", "add " + ends + "esp 256 -E aes-cbc 1234;", "is 0x and hexadecimal digits"},
		{"a key of null", "add " + ends + `esp 256 -E null "x";`, "-E null takes no key"},
		{"ESP of nothing", "add " + ends + "esp 256 -E null;", "protects nothing"},
		{"ESP without a cipher", "add " + ends + `esp 256 -A hmac-md5 "sixteen octets !";`, "write -E null"},
		{"AH with a cipher", "add " + ends + `ah 256 -E aes-cbc "sixteen octets !";`, "ah wants an algorithm behind -A"},
		{"AH of nothing", "add " + ends + "ah 256 -A null;", "ah wants an algorithm behind -A"},
		{"IPComp without", "add " + ends + "ipcomp 256;", "write -C deflate"},
		{"compression of ESP", "add " + ends + `esp 256 -E aes-cbc "sixteen octets !" -C deflate;`, "-C is for ipcomp"},
		{"order", "add " + ends + `esp 256 -E aes-cbc "sixteen octets !" -u 5;`, "option -u stands behind the algorithm"},

		{"a tag", `spdadd tagged "x" -P out none;`, "policies for tagged packets no kernel plugin has"},
		{"no policy", "spdadd 192.0.2.1 192.0.2.2 any;", "the policy begins with -P"},
		{"a protocol that is a keyword", "spdadd 192.0.2.1 192.0.2.2 esp -P out none;", "write the protocol's number, 50"},
		{"a protocol unknown", "spdadd 192.0.2.1 192.0.2.2 frob -P out none;", "no upper-layer protocol: write any"},
		{"a protocol too large", "spdadd 192.0.2.1 192.0.2.2 256 -P out none;", "up to 255"},
		{"ICMP without code", "spdadd 192.0.2.1 192.0.2.2 icmp 8 -P out none;", "write type and code, 8,0"},
		{"type and code of TCP", "spdadd 192.0.2.1 192.0.2.2 tcp 8,0 -P out none;", "only icmp, icmp6, mh and gre"},
		{"a plain GRE key", "spdadd 192.0.2.1 192.0.2.2 gre 5 -P out none;", "write it as a dotted quad"},
		{"ports and type", "spdadd 192.0.2.1[5] 192.0.2.2 icmp 8,0 -P out none;", "write one of them"},
		{"a direction only", "spdadd 192.0.2.1 192.0.2.2 any -P out;", "what shall be done is missing: write discard, none or ipsec"},
		{"a policy without end", "spdadd 192.0.2.1 192.0.2.2 any -P out none", "FILE:1: the policy does not end"},
		{"a comment in a policy", "spdadd 192.0.2.1 192.0.2.2 any\n-P out ipsec\n# x\nesp/transport//use;", "FILE:3: a comment inside a policy"},
		{"a rule in its line", "spdadd 192.0.2.1 192.0.2.2 any\n-P out ipsec\nesp/transport//use\nfrob/tunnel;", `FILE:4: -P: "frob/tunnel": protocol "frob"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmds, err := Parse("FILE", tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "FILE:") {
				t.Errorf("got %v, %v; want %s", cmds, err, tt.want)
			}
		})
	}
}

// A key that is not written as one is a key all the same.
func TestNoErrorShowsAKey(t *testing.T) {
	for _, alg := range []string{
		"-E aes-cbc secretsecretsecr", "-A hmac-md5 31415926535897932384626433832795", "-A hmac-md5 0xsecret", `-E aes-cbc "secret"`,
		"-E aes-cbc 0x314159265358979", "-E blowfish-cbc 0x3141592653 314159", `-E blowfish-cbc "31415926" secret -A hmac-md5 "sixteen octets !"`,
	} {
		_, err := Parse("FILE", "add 192.0.2.1 192.0.2.2 esp 256 "+alg+";")
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "3141") {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestARuleIsReadOrRefused(t *testing.T) {
	for _, tt := range []struct {
		text, want string // of an error
		prio       int32
	}{
		{text: "out prio def none"},
		{text: "out prio low none", prio: 0x40000000},
		{text: "out priority high none", prio: -0x40000000},
		{text: "out prio high + 5 none", prio: -0x40000005},
		{text: "out prio high +5 none", prio: -0x40000005},
		{text: "out prio high+5 none", prio: -0x40000005},
		{text: "out prio def- 5 none", prio: 5},
		{text: "out prio high+ none", want: "out of range"},
		{text: "out prio low - 1073741823 none", prio: 0x7fffffff},
		{text: "out prio 5 none", prio: -5},
		{text: "out prio - 5 none", prio: 5},
		{text: "out prio 2147483647 none", prio: -0x7fffffff},
		{text: "out prio 2147483648 none", want: "out of range"},
		{text: "out prio low - 1073741824 none", want: "out of range"},
		{text: "out prio high + 1073741824 none", want: "out of range"},
		{text: "out prio high 5 none", want: `"5" is no action`},
		{text: "out prio + 5 none", want: "no priority"},
		{text: "out prio", want: "no priority"},
		{text: "out prio frob none", want: "out of range"},
		{text: "", want: "no direction"},
		{text: "both none", want: `"both" is no direction: write in, out or fwd`},
		{text: "out frob", want: "no action: write discard, none or ipsec"},
		{text: "out bypass", want: "for the policy of a socket"},
		{text: "out none esp/transport//use", want: "rules belong to the action ipsec only"},
		{text: "out ipsec", want: "ipsec needs a rule"},
		{text: "out ipsec esp", want: "a rule is PROTOCOL/MODE"},
		{text: "out ipsec esp/tunnel//require", want: "tunnel mode needs the addresses"},
		{text: "out ipsec esp/tunnel/me-any/require", want: "tunnel mode needs the addresses"},
		{text: "out ipsec esp/transport/any-me/require", want: "any-me for in"},
		{text: "out ipsec esp/tunnel/192.0.2.1/require", want: "write SOURCE-DESTINATION"},
		{text: "out ipsec esp/tunnel/192.0.2.1-2001:db8::1/require", want: "of two families"},
		{text: "out ipsec esp/tunnel/host-192.0.2.1/require", want: `"host" is no numeric address`},
		{text: "out ipsec esp/tunnel/192.0.2.1[500]-192.0.2.2[500]/require", want: "no kernel plugin has UDP ports in a rule"},
		{text: "out ipsec esp/tunnel/192.0.2.1[0]-192.0.2.2/require", want: "a port at one of two"},
		{text: "out ipsec esp/tunnel/fe80::1%eth0-fe80::2%eth0/require", want: "scopes"},
		{text: "out ipsec esp/transport//maybe", want: `level "maybe": write default`},
		{text: "out ipsec esp/transport//require:5", want: "level"},
		{text: "out ipsec esp/transport//unique:0", want: "1 to 16383"},
		{text: "out ipsec esp/transport//unique:16384", want: "1 to 16383"},
		{text: "out ipsec" + strings.Repeat(" ah/transport//use", 7), want: "more than 6 rules"},
		{text: "in ipsec esp/tunnel/192.0.2.1[0]-192.0.2.2[any]/require"},
		{text: "out ipsec esp/transport"},
		{text: "out ipsec esp/transport/me-any"},
		{text: "in"},
	} {
		rule, err := ParseRule(tt.text)
		switch {
		case tt.want == "" && (err != nil || rule.Priority != tt.prio):
			t.Errorf("%q: priority %#x, %v; want %#x", tt.text, rule.Priority, err, tt.prio)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestAnOddHexadecimalKeyBeginsWithANibble(t *testing.T) {
	if d := cmp.Diff([]byte{1, 0x23}, octets("123")); d != "" {
		t.Error(d)
	}
}

func TestAllErrorsOfATextAreTold(t *testing.T) {
	cmds, err := Parse("FILE", "frob;\nflush;\nadd a b esp;\n-P;\nspdadd a b any -P out # none;\ndump;")
	if n := strings.Count(err.Error(), "FILE:"); n != 4 || len(cmds) != 2 {
		t.Errorf("%d errors, %d commands:\n%v", n, len(cmds), err)
	}
}

func TestAScriptIsReadUpToEachSemicolon(t *testing.T) {
	r, w := io.Pipe()
	s := NewScript("stdin", r)
	say := func(text string) {
		go func() { _, _ = io.WriteString(w, text) }()
	}
	for _, tt := range []struct {
		text, want string // of the error
		verb       Verb
		line       int
	}{
		{"# a; comment\nflush;", "", Flush, 2},
		{"\nfrob;", `stdin:3: "frob" is no command`, 0, 0},
		{" add 192.0.2.1 192.0.2.2 esp 256 -E null -A hmac-md5 \"sixteen; octets!\";", "", Add, 3},
		{"\n\nspddump;", "", SPDDump, 5},
	} {
		say(tt.text)
		cmds, err := s.Next()
		if tt.want != "" {
			var at *Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
			}
			continue
		}
		if err != nil || len(cmds) != 1 || cmds[0].Verb != tt.verb || cmds[0].Line != tt.line {
			t.Errorf("%q: %+v, %v", tt.text, cmds, err)
		}
	}
	say("bye; frob;")
	if cmds, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after bye: %v, %v", cmds, err)
	}
	if _, err := NewScript("x", strings.NewReader("flush")).Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a command without its end: %v", err)
	}
}

func TestOptionsAreThoseOfSetkey(t *testing.T) {
	for _, tt := range []struct {
		args string
		want Options
		err  string
	}{
		{args: "-D", want: Options{Mode: DumpAll}},
		{args: "-DP", want: Options{Mode: DumpAll, Policies: true}},
		{args: "-PD -apN", want: Options{Mode: DumpAll, Policies: true, Dead: true, Ports: true}},
		{args: "-Dl", want: Options{Mode: DumpAll, Short: true}},
		{args: "-D -F", want: Options{Mode: FlushAll}},
		{args: "-f a -c", want: Options{Mode: FromStdin, File: "a"}},
		{args: "-vkf a", want: Options{Mode: FromFile, File: "a", Verbose: true, Literal: true}},
		{args: "-kr -nfa", want: Options{Mode: FromFile, File: "a", DryRun: true}},
		{args: "-x", want: Options{Mode: WatchAll}},
		{args: "-xx", want: Options{Mode: WatchAll, Epoch: true}},
		{args: "-C r.conf -K pfkey -c", want: Options{Mode: FromStdin, Config: "r.conf", Plugin: "pfkey"}},
		{args: "-V", want: Options{Mode: PrintVersion}},
		{args: "-?", want: Options{Mode: PrintUsage}},
		{args: "", err: "usage"},
		{args: "-P", err: "usage"},
		{args: "-f", err: "-f wants a word"},
		{args: "-z", err: "option -z is unknown"},
		{args: "-d", err: "option -d is unknown"},
		{args: "-xH", want: Options{Mode: WatchAll, Hex: true}},
		{args: "-nD", err: "-n is for"},
		{args: "-lDP", err: "-l is for"},
		{args: "file", err: "files of PF_KEY messages"},
		{args: "-D -- file", err: "files of PF_KEY messages"},
	} {
		got, err := ParseOptions(strings.Fields(tt.args))
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%q: %+v, %v; want %+v", tt.args, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: %v, want %s", tt.args, err, tt.err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for text := range strings.SplitSeq(read(f, "testdata/every.conf")+read(f, "testdata/more.conf"), "\n\n") {
		f.Add(text) // in parts: what is large is slow to make smaller
	}
	f.Add(`spdadd -6n ::1/0[any] ::[0] mh 1,2 -ctx 1 1 "x" -P in prio low + 1 ipsec esp/tunnel/::1[0]-::2[0]/unique:1;`)
	f.Add("add a b esp-udp c 0x100 -E aes-ctr 0x1 -A null;exit;")
	f.Fuzz(func(t *testing.T, text string) {
		cmds, _ := Parse("FILE", text)
		for _, c := range cmds {
			switch p := c.Policy; {
			case c.Verb == 0 || c.Line < 1:
				t.Fatalf("%+v", c)
			case p != nil && p.Rule.Action != 0:
				comesBack(t, c)
			}
		}
	})
}

// comesBack wants that a policy is shown as it would be written.
func comesBack(t *testing.T, c Command) {
	b := newBench(nil)
	policy := func(c Command) (kernel.Policy, error) {
		sel, err := b.selector(t.Context(), &c)
		rule := c.Policy.Rule
		return kernel.Policy{Key: kernel.PolicyKey{Dir: rule.Dir, Sel: sel}, Priority: rule.Priority, Action: rule.Action, Templates: rule.Templates, Label: c.Policy.Label}, err
	}
	p, err := policy(c)
	if err != nil {
		return
	}
	var text strings.Builder
	b.formatPolicy(&text, kernel.Object{Policy: &p}, 0)
	again, err := Parse("FILE", policyCommand(text.String()))
	if err != nil || len(again) != 1 {
		t.Fatalf("%v\n%s", err, &text)
	}
	q, err := policy(again[0])
	if d := cmp.Diff(p, q, compare...); err != nil || d != "" {
		t.Fatalf("%v\n%s", err, d)
	}
}

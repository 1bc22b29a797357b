package archtest

import "strings"

const module = "github.com/racoon-ike/racoon"

// kind is how much of the world a package may know.
type kind int

const (
	// pure packages compute: no clock, no randomness, no goroutine, nothing that
	// blocks, and of other packages only those of the list.
	pure kind = iota
	// plain packages may read files and talk to the network, one thing after another.
	plain
	// shell packages may have goroutines, channels and locks.
	shell
	// generated packages are somebody else's.
	generated
)

// layer says what packages may know. One that ends with "/..." means everything
// below too. The first layer that fits a package counts.
type layer struct {
	dirs []string
	kind kind
	ours []string // what of our packages it may import
	also []string // what a pure package may import beyond pureImports
}

const internal = "core/internal/"

// layers are the house: imports go down only.
var layers = []layer{
	{dirs: []string{internal + "isakmp"}, kind: pure, ours: []string{"core/sdk/secret"}},
	// A plan compares snapshots by reflection, so that no field is forgotten.
	{dirs: []string{internal + "policy"}, kind: pure, ours: []string{"core/sdk/secret"}, also: []string{"reflect"}},
	{dirs: []string{internal + "notice"}, kind: pure, ours: []string{internal + "isakmp"}},
	{dirs: []string{internal + "spd"}, kind: pure, ours: []string{internal + "policy"}},
	{dirs: []string{internal + "oakley"}, kind: pure, ours: []string{internal + "isakmp", internal + "policy", "core/sdk/secret"}},
	{dirs: []string{internal + "doi"}, kind: pure, ours: []string{internal + "isakmp", internal + "policy", internal + "oakley", internal + "spd", "core/sdk/ipsec"}},
	{dirs: []string{internal + "ike"}, kind: pure, ours: []string{internal + "doi", internal + "spd", internal + "oakley", internal + "isakmp",
		internal + "policy", internal + "notice", "core/sdk/secret"}},

	// The machine's simulated world is for tests; it draws its own dice.
	{dirs: []string{internal + "ike/iketest"}, kind: plain, ours: []string{internal + "ike", internal + "doi", internal + "spd", internal + "oakley",
		internal + "isakmp", internal + "policy", internal + "notice", "core/sdk/secret"}},

	{dirs: []string{internal + "schema"}, kind: plain, ours: []string{"core/sdk/config"}},
	{dirs: []string{internal + "config"}, kind: plain, ours: []string{internal + "policy", internal + "schema", "core/sdk/config", "core/sdk/secret"}},
	{dirs: []string{internal + "lint"}, kind: plain, ours: []string{internal + "policy", internal + "config"}},
	{dirs: []string{internal + "swanctl"}, kind: plain, ours: []string{internal + "policy", "core/sdk/secret"}},
	{dirs: []string{internal + "setkey"}, kind: plain, ours: []string{"core/sdk/kernel", "core/sdk/ipsec", "core/sdk/errs", "core/sdk/secret"}},
	{dirs: []string{internal + "ctl"}, kind: plain, ours: []string{"core/control", "core/sdk/errs"}},
	{dirs: []string{internal + "archtest"}, kind: plain},
	{dirs: []string{internal + "logpipe"}, kind: shell, ours: []string{"core/sdk/logsink"}},
	{dirs: []string{internal + "metrics"}, kind: shell, ours: []string{internal + "notice"}},
	{dirs: []string{internal + "hooks"}, kind: shell, ours: []string{internal + "isakmp", internal + "notice", internal + "policy"}},
	{dirs: []string{internal + "plugingrpc"}, kind: shell, ours: []string{"core/sdk/..."}},
	{dirs: []string{internal + "pluginhost"}, kind: shell, ours: []string{internal + "plugingrpc", internal + "policy", internal + "schema", "core/sdk/..."}},
	{dirs: []string{internal + "control"}, kind: shell, ours: []string{"core/control/...", internal + "ike", internal + "isakmp", internal + "notice",
		internal + "policy", internal + "spd", "core/sdk/errs"}},
	{dirs: []string{internal + "engine"}, kind: shell, ours: []string{internal + "ike", internal + "doi", internal + "spd", internal + "oakley", internal + "isakmp",
		internal + "policy", internal + "notice", internal + "pluginhost", internal + "config", internal + "control", internal + "metrics", internal + "logpipe", "core/sdk/..."}},

	{dirs: []string{"core/control/proto/...", "core/sdk/proto/..."}, kind: generated},
	{dirs: []string{"core/control"}, kind: plain, ours: []string{"core/control/proto/...", "core/sdk/errs"}},
	{dirs: []string{"core/sdk/plugin", "core/sdk/examples/..."}, kind: shell, ours: []string{"core/sdk/...", internal + "plugingrpc"}},
	// The conformance suites run a plugin as the engine does.
	{dirs: []string{"core/sdk/plugintest"}, kind: shell, ours: []string{"core/sdk/...", internal + "pluginhost", internal + "schema"}},
	{dirs: []string{"core/sdk/plugintest/..."}, kind: shell, ours: []string{"core/sdk/..."}},
	{dirs: []string{"core/sdk/ipsec"}, kind: pure},
	{dirs: []string{"core/sdk/kernel/txn"}, kind: shell, ours: []string{"core/sdk/errs", "core/sdk/kernel"}},
	{dirs: []string{"core/sdk/..."}, kind: plain, ours: []string{"core/sdk/..."}},
	{dirs: []string{"core"}, kind: shell, ours: []string{"core/..."}},

	{dirs: []string{"cmd/..."}, kind: plain, ours: []string{"core"}},
	{dirs: []string{"plugins/..."}, kind: shell, ours: []string{"core/sdk/auth", "core/sdk/config", "core/sdk/errs", "core/sdk/ipsec", "core/sdk/kernel", "core/sdk/kernel/txn", "core/sdk/logsink",
		"core/sdk/plugin", "core/sdk/secret"}}, // and their own directories
	{dirs: []string{"lab/..."}, kind: shell, ours: []string{"lab/...", "core/control"}},
}

// pureImports are what pure packages may import besides ours.
var pureImports = []string{
	"bytes", "cmp", "encoding/...", "errors", "fmt", "hash", "io", "iter", "log/slog", "maps", "math/bits", "net/netip", "slices", "sort",
	"strconv", "strings", "time",
	"crypto/aes", "crypto/cipher", "crypto/des", "crypto/ecdh", "crypto/hmac", "crypto/md5", "crypto/sha1", "crypto/sha256", "crypto/sha512", "crypto/subtle",
	"golang.org/x/crypto/blowfish", "golang.org/x/crypto/cast5", "golang.org/x/crypto/cryptobyte", "golang.org/x/crypto/twofish", "filippo.io/bigmod",
}

// modules are the ones we use, and where. golang.org/x/sys is the system itself.
var modules = []struct {
	path string
	dirs []string
	why  string
}{
	{"filippo.io/bigmod", []string{internal + "oakley"}, "its interface is not stable: two functions of oakley wrap it"},
	{"golang.org/x/crypto", []string{internal + "oakley", internal + "isakmp"}, "old ciphers and cryptobyte"},
	{"golang.org/x/sys", []string{"core/...", "plugins/...", "lab/..."}, "system calls"},
	{"golang.org/x/time", []string{internal + "engine", internal + "pluginhost"}, "token buckets"},
	{"golang.org/x/sync", []string{internal + "engine"}, "errgroup"},
	{"github.com/google/go-cmp", nil, "for tests"},
	{"github.com/hashicorp/go-plugin", pluginGlue, "plugins and engine see our own types only"},
	{"github.com/hashicorp/go-hclog", pluginGlue, "go-plugin wants it; everything else logs with log/slog"},
	{"google.golang.org/grpc", append(rpcGlue, pluginGlue...), "generated and gRPC types end at the glue"},
	{"google.golang.org/protobuf", append(rpcGlue, pluginGlue...), "generated and gRPC types end at the glue"},
	{"google.golang.org/genproto", rpcGlue, "the error details of the control socket"},
	{"github.com/hashicorp/hcl", hclUsers, "HCL lives in the configuration; plugins get JSON"},
	{"github.com/zclconf/go-cty", hclUsers, "HCL's values"},
	{"github.com/agext/levenshtein", []string{internal + "config", internal + "schema"}, "did you mean"},
	{"github.com/ccojocar/zxcvbn-go", []string{"plugins/auth-psk/strength"}, "how easily people's pre-shared keys are guessed"},
	{"github.com/mdlayher/netlink", []string{"plugins/kernel-xfrm/..."}, "who else needs the kernel asks the plugin"},
	{"github.com/spf13/pflag", []string{"core"}, "racoon's command line"},
	{"github.com/coreos/go-systemd", []string{"core"}, "readiness"},
}

var (
	pluginGlue = []string{internal + "pluginhost", internal + "plugingrpc", "core/sdk/plugin", "core/sdk/plugintest/..."}
	rpcGlue    = []string{internal + "control", "core/control/...", "core/sdk/proto/..."}
	hclUsers   = []string{internal + "config", internal + "schema", "lab/..."}
)

// foreignState are variables of other packages that have to be set, and why.
var foreignState = map[string]string{
	"core/sdk/plugin os.Stdout": "go-plugin has put a pipe in its place",
	"core/sdk/plugin os.Stderr": "go-plugin has put a pipe in its place",
}

// layerOf finds a package's layer by its directory.
func layerOf(dir string) (layer, bool) {
	for _, l := range layers {
		if within(dir, l.dirs) {
			return l, true
		}
	}
	return layer{}, false
}

func within(dir string, patterns []string) bool {
	for _, p := range patterns {
		below, deep := strings.CutSuffix(p, "/...")
		if dir == below || deep && strings.HasPrefix(dir, below+"/") {
			return true
		}
	}
	return false
}

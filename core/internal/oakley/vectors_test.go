package oakley

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// vectorFiles are the files of the third-party collection beside the repository
// that match pattern.
func vectorFiles(t *testing.T, pattern string) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	vectors := filepath.Join(dir, "..", "shared", "vectors")
	if _, err := os.Stat(vectors); err != nil {
		t.Skipf("third-party vectors are not distributed with the source: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(vectors, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s in %s: %v", pattern, vectors, err)
	}
	return files
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("bad hex in a vector: %v", err)
	}
	return b
}

func cookie(t testing.TB, s string) [8]byte {
	t.Helper()
	b := unhex(t, s)
	if len(b) != 8 {
		t.Fatalf("cookie of %d octets", len(b))
	}
	return [8]byte(b)
}

func hexOf(s secret.Bytes) string { return hex.EncodeToString(s.Reveal()) }

// cavsRow is one COUNT of a CAVS response file, keys as in the file, with the
// hash of its section under "hash".
type cavsRow map[string]string

func readCAVS(t *testing.T, path string) []cavsRow {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	var rows []cavsRow
	var section string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[SHA-") {
			section = strings.Trim(line, "[]")
		}
		key, value, ok := strings.Cut(line, " = ")
		switch {
		case !ok || strings.HasPrefix(line, "["):
		case key == "COUNT":
			rows = append(rows, cavsRow{"hash": section, key: value})
		default:
			rows[len(rows)-1][key] = value
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestKeysMatchNISTCAVS(t *testing.T) {
	hashes := map[string]Hash{"SHA-1": SHA1, "SHA-256": SHA256, "SHA-384": SHA384, "SHA-512": SHA512}
	total, sha224 := 0, 0
	for _, path := range vectorFiles(t, "nist-cavs-ikev1*/*") {
		base := strings.SplitN(filepath.Base(path), ".", 2)[0]
		name := filepath.Base(filepath.Dir(path)) + "/" + base
		t.Run(name, func(t *testing.T) {
			for _, row := range readCAVS(t, path) {
				if row["hash"] == "SHA-224" { // no IKE attribute value for it
					sha224++
					continue
				}
				total++
				h := hashes[row["hash"]]
				ni, nr, gxy := unhex(t, row["Ni"]), unhex(t, row["Nr"]), unhex(t, row["g^xy"])
				ckyI, ckyR := cookie(t, row["CKY_I"]), cookie(t, row["CKY_R"])

				var skeyid secret.Bytes
				switch base {
				case "ikev1_dsa":
					skeyid = SKEYIDFromSignature(h, ni, nr, gxy)
				case "ikev1_psk":
					skeyid = SKEYIDFromPSK(h, unhex(t, row["pre-shared-key"]), ni, nr)
				case "ikev1_pke": // RFC 2409 section 5.2, which we do not negotiate
					skeyid = secret.New(h.PRF(h.Sum(ni, nr), ckyI[:], ckyR[:]))
				default:
					t.Fatalf("unknown kind of vectors %s", base)
				}
				k := DeriveKeys(h, skeyid, gxy, ckyI, ckyR)
				got := []string{hexOf(k.SKEYID), hexOf(k.D), hexOf(k.A), hexOf(k.E)}
				want := []string{row["SKEYID"], row["SKEYID_d"], row["SKEYID_a"], row["SKEYID_e"]}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s COUNT %s: SKEYID, d, a, e (-want +got):\n%s", row["hash"], row["COUNT"], diff)
				}
			}
		})
	}
	if total != 4060 || sha224 != 180 {
		t.Errorf("recomputed %d rows and left out %d of SHA-224, want 4060 and 180", total, sha224)
	}
}

func TestKeysMatchNSS(t *testing.T) {
	hashes := map[string]Hash{"HMAC-SHA1": SHA1, "HMAC-SHA256": SHA256, "HMAC-SHA384": SHA384, "HMAC-SHA512": SHA512}
	var file struct {
		Vectors []struct {
			PRF, Type, IKM, Gxy, OKM, A, B, Seed string
			ID, Size                             int
			KeyNumber                            int `json:"key_number"`
		}
	}
	text, err := os.ReadFile(vectorFiles(t, "nss-ike/ike1_prf_vectors.json")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	total, xcbc := 0, 0
	for _, v := range file.Vectors {
		h, ok := hashes[v.PRF]
		if !ok { // AES-XCBC-128 is a prf of IKEv2; RFC 2409 has HMAC only
			xcbc++
			continue
		}
		total++
		ikm, gxy := secret.New(unhex(t, v.IKM)), unhex(t, v.Gxy)
		var got secret.Bytes
		switch v.Type {
		case "ikeGxy":
			got = SKEYIDFromSignature(h, unhex(t, v.A), unhex(t, v.B), ikm.Reveal())
		case "ikeV1Psk":
			got = SKEYIDFromPSK(h, ikm.Reveal(), unhex(t, v.A), unhex(t, v.B))
		case "ikeV1":
			k := DeriveKeys(h, ikm, gxy, cookie(t, v.A), cookie(t, v.B))
			got = []secret.Bytes{k.D, k.A, k.E}[v.KeyNumber]
		case "ikeV1AppB":
			got = CipherKey(h, ikm, v.Size)
		case "ikeV1AppBQuick":
			seed := unhex(t, v.Seed) // one octet, where KEYMAT has protocol, SPI and nonces
			got = KEYMAT(h, ikm, nil, seed[0], seed[1:], nil, nil, v.Size)
		default:
			t.Fatalf("unknown type %s", v.Type)
		}
		if diff := cmp.Diff(v.OKM, hexOf(got)); diff != "" {
			t.Errorf("%s %s row %d (-want +got):\n%s", v.PRF, v.Type, v.ID, diff)
		}
	}
	if total != 48 || xcbc != 12 {
		t.Errorf("recomputed %d rows and left out %d of AES-XCBC, want 48 and 12", total, xcbc)
	}
}

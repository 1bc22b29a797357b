package x509

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

func TestEverythingIsRefusedAndNothingAdvertised(t *testing.T) {
	a, diags := Spec("test").Auth(t.Context(), config.Value{JSON: []byte(`{}`)}, plugin.Env{})
	if len(diags) != 0 {
		t.Fatal(diags)
	}
	caps, err := a.Capabilities(t.Context())
	if d := cmp.Diff(auth.Capabilities{}, caps); d != "" || err != nil {
		t.Errorf("capabilities: %v %s", err, d)
	}
	calls := map[string]func() error{
		"Resolve":       func() error { _, err := a.Resolve(t.Context(), auth.ResolveRequest{}); return err },
		"DeriveSKEYIDs": func() error { _, err := a.DeriveSKEYIDs(t.Context(), make([]auth.SKEYIDRequest, 1)); return err },
		"Sign":          func() error { _, err := a.Sign(t.Context(), make([]auth.SignRequest, 1)); return err },
		"VerifyPeers":   func() error { _, err := a.VerifyPeers(t.Context(), make([]auth.VerifyRequest, 1)); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
			t.Errorf("%s: %v, want unsupported", name, err)
		}
	}
	for _, optional := range []bool{is[auth.Decrypter](a), is[auth.XAuthServer](a), is[auth.XAuthClient](a), is[auth.AttributeServer](a), is[auth.Accountant](a), is[auth.Watcher](a)} {
		if optional {
			t.Error("an optional service is offered")
		}
	}
}

func is[T any](a any) bool { _, ok := a.(T); return ok }

func TestHealthSaysThatItCannotAuthenticate(t *testing.T) {
	if h := Spec("test").Health(t.Context()); h.State != plugin.Degraded || h.Detail == "" {
		t.Errorf("health %+v", h)
	}
}

func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, directory string
		ok              bool
	}{
		{"no directory", "", true},
		{"a directory", dir, true},
		{"a file", file, false},
		{"a missing directory", filepath.Join(dir, "none"), false},
		{"a relative path", "certs", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, _ := json.Marshal(map[string]string{"directory": tt.directory})
			diags := Spec("test").Validate(t.Context(), config.Value{JSON: v})
			if tt.ok != (len(diags) == 0) {
				t.Fatalf("diagnostics %v", diags)
			}
			if !tt.ok && (diags[0].Severity != config.Error || diags[0].Path[0] != "directory" || diags[0].Detail == "") {
				t.Errorf("diagnostic %+v", diags[0])
			}
		})
	}
	if diags := Spec("test").Validate(t.Context(), config.Value{JSON: []byte(`{"directory":1}`)}); len(diags) != 1 {
		t.Errorf("another type: %v", diags)
	}
}

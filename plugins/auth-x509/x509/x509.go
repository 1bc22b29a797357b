// Package x509 is the authentication plugin for certificates. Its configuration is
// in force, its methods are not built yet: it advertises none and refuses every
// request, so that no peer is ever accepted by it.
package x509

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Spec describes the plugin.
func Spec(version string) plugin.Spec {
	return plugin.Spec{
		Name: "x509", Version: version, Vendor: "racoon",
		Schema: &config.Schema{
			Version:     1,
			Description: "Certificates and private keys from files",
			Body: config.Body{Attrs: []config.Attr{{
				Name: "directory", Type: "string", Default: `""`, Kind: config.FilePath,
				Doc: "Where relative certificate and key files are (path certificate of racoon.conf).",
			}}},
		},
		Privileges: plugin.Privileges{User: "racoon-auth"},
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			return check(v)
		},
		Auth: func(_ context.Context, v config.Value, _ plugin.Env) (auth.Authenticator, config.Diagnostics) {
			if diags := check(v); diags != nil {
				return nil, diags
			}
			return Plugin{}, nil
		},
		Health: func(context.Context) plugin.Health {
			return plugin.Health{State: plugin.Degraded, Detail: unsupported().Error()}
		},
	}
}

func check(v config.Value) config.Diagnostics {
	var c struct {
		Directory string `json:"directory"`
	}
	if err := v.Decode(&c); err != nil {
		return config.Diagnostics{{Severity: config.Error, Summary: "the configuration is not as described by the schema", Detail: err.Error()}}
	}
	if c.Directory == "" {
		return nil
	}
	wrong := func(detail string) config.Diagnostics {
		return config.Diagnostics{{Severity: config.Error, Path: []string{"directory"}, Code: "X509001",
			Summary: fmt.Sprintf("%q is no certificate directory", c.Directory), Detail: detail}}
	}
	if !filepath.IsAbs(c.Directory) {
		return wrong("an absolute path is needed")
	}
	switch fi, err := os.Stat(c.Directory); {
	case err != nil:
		return wrong(err.Error())
	case !fi.IsDir():
		return wrong("it is a file")
	}
	return nil
}

// Plugin is one configured instance.
type Plugin struct{}

func unsupported() error {
	return errs.Errorf(errs.Unsupported, "auth-x509 cannot authenticate with certificates yet; a later release can")
}

// Capabilities: none.
func (Plugin) Capabilities(context.Context) (auth.Capabilities, error) {
	return auth.Capabilities{}, nil
}

// Resolve is not supported yet.
func (Plugin) Resolve(context.Context, auth.ResolveRequest) (auth.Credential, error) {
	return auth.Credential{}, unsupported()
}

// DeriveSKEYIDs is for pre-shared keys, which are not this plugin's.
func (Plugin) DeriveSKEYIDs(context.Context, []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	return nil, unsupported()
}

// Sign is not supported yet.
func (Plugin) Sign(context.Context, []auth.SignRequest) ([]auth.Signature, error) {
	return nil, unsupported()
}

// VerifyPeers is not supported yet.
func (Plugin) VerifyPeers(context.Context, []auth.VerifyRequest) ([]auth.Verdict, error) {
	return nil, unsupported()
}

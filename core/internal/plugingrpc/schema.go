package plugingrpc

import (
	"github.com/racoon-ike/racoon/core/sdk/config"
	basev1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/base/v1"
)

// SchemaToProto is nil for nil.
func SchemaToProto(s *config.Schema) *basev1.Schema {
	if s == nil {
		return nil
	}
	return &basev1.Schema{Version: s.Version, Description: s.Description, Body: bodyToProto(s.Body)}
}

func schemaFromProto(s *basev1.Schema) *config.Schema {
	return &config.Schema{Version: s.Version, Description: s.Description, Body: bodyFromProto(s.Body)}
}

func bodyToProto(b config.Body) *basev1.Body {
	return &basev1.Body{
		Attributes: mapped(b.Attrs, func(a config.Attr) *basev1.Attribute {
			return &basev1.Attribute{
				Name: a.Name, Doc: a.Doc, Type: a.Type, DefaultExpression: a.Default, Required: a.Required,
				Deprecated: a.Deprecated, Kind: basev1.Attribute_Kind(a.Kind), OneOf: a.OneOf, Min: a.Min, Max: a.Max,
			}
		}),
		Blocks: mapped(b.Blocks, func(k config.Block) *basev1.Block {
			return &basev1.Block{
				Name: k.Name, Doc: k.Doc, Nesting: basev1.Block_Nesting(k.Nesting + 1), Labels: k.Labels,
				MinItems: uint32(k.Min), MaxItems: uint32(k.Max), Body: bodyToProto(k.Body),
			}
		}),
	}
}

func bodyFromProto(b *basev1.Body) config.Body {
	return config.Body{
		Attrs: mapped(b.GetAttributes(), func(a *basev1.Attribute) config.Attr {
			return config.Attr{
				Name: a.Name, Doc: a.Doc, Type: a.Type, Default: a.DefaultExpression, Required: a.Required,
				Deprecated: a.Deprecated, Kind: config.AttrKind(a.Kind), OneOf: a.OneOf, Min: a.Min, Max: a.Max,
			}
		}),
		Blocks: mapped(b.GetBlocks(), func(k *basev1.Block) config.Block {
			return config.Block{
				Name: k.Name, Doc: k.Doc, Nesting: config.Nesting(k.Nesting - 1), Labels: k.Labels,
				Min: int(k.MinItems), Max: int(k.MaxItems), Body: bodyFromProto(k.Body),
			}
		}),
	}
}

// DiagnosticsToProto keeps the order.
func DiagnosticsToProto(ds config.Diagnostics) []*basev1.Diagnostic {
	return mapped(ds, func(d config.Diagnostic) *basev1.Diagnostic {
		return &basev1.Diagnostic{
			Severity: basev1.Diagnostic_Severity(d.Severity + 1), Summary: text(d.Summary), Detail: text(d.Detail),
			Path: mapped(d.Path, text), Code: text(d.Code), Fix: text(d.Fix),
		}
	})
}

func diagnosticsFromProto(ds []*basev1.Diagnostic) config.Diagnostics {
	return mapped(ds, func(d *basev1.Diagnostic) config.Diagnostic {
		severity := config.Error
		switch d.Severity {
		case basev1.Diagnostic_SEVERITY_WARNING:
			severity = config.Warning
		case basev1.Diagnostic_SEVERITY_NOTE:
			severity = config.Note
		}
		return config.Diagnostic{
			Severity: severity, Summary: clean(d.Summary), Detail: clean(d.Detail),
			Path: d.Path, Code: clean(d.Code), Fix: clean(d.Fix),
		}
	})
}

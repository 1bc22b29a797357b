package plugin

import (
	"encoding/json"
	"io"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
)

// describe prints what packagers and documentation need, in the wire's names.
func describe(w io.Writer, spec *Spec) error {
	raw := func(m proto.Message) (json.RawMessage, error) { return protojson.Marshal(m) }
	info, err := raw(plugingrpc.InfoToProto(spec.info()))
	if err != nil {
		return err
	}
	schema, err := raw(plugingrpc.SchemaToProto(spec.Schema))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Info   json.RawMessage `json:"info"`
		Schema json.RawMessage `json:"schema"`
	}{info, schema})
}

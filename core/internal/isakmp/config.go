package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
)

// A Config is the body of an attribute payload: a transaction of
// draft-dukes-ike-mode-cfg, which Xauth (draft-beaulieu-ike-xauth) and Cisco's
// Unity use, too.
type Config struct {
	Type       ConfigType
	Identifier uint16 // pairs an answer with its request
	Attrs      []Attribute
}

// A ConfigType is the kind of a transaction message.
type ConfigType uint8

const (
	ConfigRequest ConfigType = 1
	ConfigReply   ConfigType = 2
	ConfigSet     ConfigType = 3
	ConfigAck     ConfigType = 4
)

// ConfigTypes is the table of ConfigType.
var ConfigTypes = Names{
	{uint32(ConfigRequest), "REQUEST"},
	{uint32(ConfigReply), "REPLY"},
	{uint32(ConfigSet), "SET"},
	{uint32(ConfigAck), "ACK"},
}

func (t ConfigType) String() string       { return ConfigTypes.Name(uint32(t)) }
func (t ConfigType) LogValue() slog.Value { return slog.StringValue(t.String()) }

// ParseConfig reads an attribute payload of at most MaxConfigAttributes.
func ParseConfig(body []byte) (c Config, err error) {
	r := newReader(PayloadAttr, body)
	if !r.ReadUint8((*uint8)(&c.Type)) || !r.Skip(1) || !r.ReadUint16(&c.Identifier) {
		return Config{}, r.truncated()
	}
	if c.Attrs, err = r.attributes(MaxConfigAttributes); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Append writes the body of an attribute payload.
func (c Config) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, byte(c.Type), 0), c.Identifier)
	return AppendAttributes(b, c.Attrs)
}

func (c Config) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "ATTR{%v id=%d", c.Type, c.Identifier)
	for _, a := range c.Attrs {
		s.WriteString(" " + ConfigAttrs.Name(uint32(a.Type)) + configValue(a))
	}
	return s.String() + "}"
}

// configValue shows what cannot be a secret; a user's answers are shown by
// their size.
func configValue(a Attribute) string {
	switch v, ok := a.Uint(); {
	case len(a.Value) == 0:
		return ""
	case a.Type == CfgXAuthUserName || a.Type == CfgXAuthMessage || a.Type == CfgXAuthDomain || a.Type == CfgApplicationVersion ||
		a.Type == CfgUnityBanner || a.Type == CfgUnityDefDomain || a.Type == CfgUnitySplitDNS:
		return fmt.Sprintf("=%q", a.Value)
	case a.TV && ok && !a.isXAuthAnswer():
		return fmt.Sprintf("=%d", v)
	case a.Type <= CfgIP6Subnet && (len(a.Value) == 4 || len(a.Value) == 16):
		addr, _ := netip.AddrFromSlice(a.Value)
		return "=" + addr.String()
	}
	return fmt.Sprintf("(%d)", len(a.Value))
}

// isXAuthAnswer is true of the attributes that hold what the user knows.
func (a Attribute) isXAuthAnswer() bool {
	switch a.Type {
	case CfgXAuthUserPassword, CfgXAuthPasscode, CfgXAuthChallenge, CfgXAuthNextPIN, CfgXAuthAnswer:
		return true
	}
	return false
}

func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

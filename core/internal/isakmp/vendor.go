package isakmp

import (
	"bytes"
	"fmt"
)

// A VendorID names what a peer says it can do (RFC 2408 section 3.16). The zero
// value is one we do not know.
type VendorID uint8

// The vendor IDs we know.
const (
	VendorUnknown VendorID = iota
	VendorDPD              // RFC 3706 section 5.1
	VendorFragmentation
	VendorXAuth
	VendorUnity
	VendorNATT // RFC 3947 section 3.1
	VendorNATT08
	VendorNATT07
	VendorNATT06
	VendorNATT05
	VendorNATT04
	VendorNATT03
	VendorNATT02
	VendorNATT02n // with a line feed at its end: what most implementations of draft 02 say
	VendorNATT01
	VendorNATT00
	VendorNATTApple
)

// vendorIDs are the octets of each, most of them the MD5 of a text.
var vendorIDs = map[VendorID]struct{ name, octets string }{
	VendorDPD:           {"DPD", "\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00"},
	VendorFragmentation: {"FRAGMENTATION", "\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3"}, // and four octets of capabilities
	VendorXAuth:         {"XAUTH", "\x09\x00\x26\x89\xdf\xd6\xb7\x12"},
	VendorUnity:         {"CISCO-UNITY", "\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00"},
	VendorNATT:          {"RFC 3947", "\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f"},
	VendorNATT08:        {"draft-ietf-ipsec-nat-t-ike-08", "\x8f\x8d\x83\x82\x6d\x24\x6b\x6f\xc7\xa8\xa6\xa4\x28\xc1\x1d\xe8"},
	VendorNATT07:        {"draft-ietf-ipsec-nat-t-ike-07", "\x43\x9b\x59\xf8\xba\x67\x6c\x4c\x77\x37\xae\x22\xea\xb8\xf5\x82"},
	VendorNATT06:        {"draft-ietf-ipsec-nat-t-ike-06", "\x4d\x1e\x0e\x13\x6d\xea\xfa\x34\xc4\xf3\xea\x9f\x02\xec\x72\x85"},
	VendorNATT05:        {"draft-ietf-ipsec-nat-t-ike-05", "\x80\xd0\xbb\x3d\xef\x54\x56\x5e\xe8\x46\x45\xd4\xc8\x5c\xe3\xee"},
	VendorNATT04:        {"draft-ietf-ipsec-nat-t-ike-04", "\x99\x09\xb6\x4e\xed\x93\x7c\x65\x73\xde\x52\xac\xe9\x52\xfa\x6b"},
	VendorNATT03:        {"draft-ietf-ipsec-nat-t-ike-03", "\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56"},
	VendorNATT02:        {"draft-ietf-ipsec-nat-t-ike-02", "\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48"},
	VendorNATT02n:       {"draft-ietf-ipsec-nat-t-ike-02\\n", "\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f"},
	VendorNATT01:        {"draft-ietf-ipsec-nat-t-ike-01", "\x16\xf6\xca\x16\xe4\xa4\x06\x6d\x83\x82\x1a\x0f\x0a\xea\xa8\x62"},
	VendorNATT00:        {"draft-ietf-ipsec-nat-t-ike-00", "\x44\x85\x15\x2d\x18\xb6\xbb\xcd\x0b\xe8\xa8\x46\x95\x79\xdd\xcc"},
	VendorNATTApple:     {"draft-ietf-ipsec-nat-t-ike", "\x4d\xf3\x79\x28\xe9\xfc\x4f\xd1\xb3\x26\x21\x70\xd5\x15\xc6\x62"},
}

// ParseVendorID tells which vendor ID a payload's body is, and what stands behind
// it: versions, capabilities.
func ParseVendorID(body []byte) (v VendorID, rest []byte) {
	for v, known := range vendorIDs {
		if rest, ok := bytes.CutPrefix(body, []byte(known.octets)); ok {
			return v, rest
		}
	}
	return VendorUnknown, nil
}

// Append writes the body of the payload.
func (v VendorID) Append(b []byte) []byte { return append(b, vendorIDs[v].octets...) }

// said is a vendor ID we know, with what stands behind it.
type said struct {
	VendorID
	rest []byte
}

func (s said) Append(b []byte) []byte { return append(s.VendorID.Append(b), s.rest...) }

func (s said) String() string {
	if len(s.rest) == 0 {
		return "VID{" + s.VendorID.String() + "}"
	}
	return fmt.Sprintf("VID{%v %x}", s.VendorID, s.rest)
}

func (v VendorID) String() string {
	if known, ok := vendorIDs[v]; ok {
		return known.name
	}
	return "unknown"
}

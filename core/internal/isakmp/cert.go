package isakmp

import (
	"fmt"
	"log/slog"
)

// A Cert is the body of a certificate payload, RFC 2408 §3.9.
type Cert struct {
	Encoding CertEncoding
	Data     []byte
}

// A CertRequest is the body of a certificate request payload, RFC 2408 §3.10.
type CertRequest struct {
	Encoding  CertEncoding
	Authority []byte // X.509: DER of the issuer's name; none: any authority
}

// A CertEncoding of RFC 2408 §3.9.
type CertEncoding uint8

const (
	CertNone      CertEncoding = 0
	CertPKCS7     CertEncoding = 1
	CertPGP       CertEncoding = 2
	CertDNSKey    CertEncoding = 3
	CertX509Sign  CertEncoding = 4
	CertX509KE    CertEncoding = 5
	CertKerberos  CertEncoding = 6
	CertCRL       CertEncoding = 7
	CertARL       CertEncoding = 8
	CertSPKI      CertEncoding = 9
	CertX509Attr  CertEncoding = 10
	CertRawRSAKey CertEncoding = 11 // IKEv2's number, used by some for plain RSA keys
)

// CertEncodings is the table of CertEncoding.
var CertEncodings = Names{
	{uint32(CertNone), "NONE"},
	{uint32(CertPKCS7), "PKCS7"},
	{uint32(CertPGP), "PGP"},
	{uint32(CertDNSKey), "DNS-KEY"},
	{uint32(CertX509Sign), "X509-SIGN"},
	{uint32(CertX509KE), "X509-KE"},
	{uint32(CertKerberos), "KERBEROS"},
	{uint32(CertCRL), "CRL"},
	{uint32(CertARL), "ARL"},
	{uint32(CertSPKI), "SPKI"},
	{uint32(CertX509Attr), "X509-ATTR"},
	{uint32(CertRawRSAKey), "RAW-RSA"},
}

func (e CertEncoding) String() string       { return CertEncodings.Name(uint32(e)) }
func (e CertEncoding) LogValue() slog.Value { return slog.StringValue(e.String()) }

// ParseCert reads a certificate payload; the certificate itself is not looked
// at.
func ParseCert(body []byte) (Cert, error) {
	e, data, err := parseCert(PayloadCERT, body)
	return Cert{e, data}, err
}

// ParseCertRequest reads a certificate request payload.
func ParseCertRequest(body []byte) (CertRequest, error) {
	e, authority, err := parseCert(PayloadCR, body)
	return CertRequest{e, authority}, err
}

func parseCert(t PayloadType, body []byte) (e CertEncoding, data []byte, err error) {
	r := newReader(t, body)
	if !r.ReadUint8((*uint8)(&e)) {
		return 0, nil, r.truncated()
	}
	return e, r.rest(), nil
}

// Append writes the body of a certificate payload.
func (c Cert) Append(b []byte) []byte { return append(append(b, byte(c.Encoding)), c.Data...) }

// Append writes the body of a certificate request payload.
func (c CertRequest) Append(b []byte) []byte {
	return append(append(b, byte(c.Encoding)), c.Authority...)
}

func (c Cert) String() string { return fmt.Sprintf("CERT{%v (%d)}", c.Encoding, len(c.Data)) }
func (c CertRequest) String() string {
	return fmt.Sprintf("CR{%v (%d)}", c.Encoding, len(c.Authority))
}
func (c Cert) LogValue() slog.Value        { return slog.StringValue(c.String()) }
func (c CertRequest) LogValue() slog.Value { return slog.StringValue(c.String()) }

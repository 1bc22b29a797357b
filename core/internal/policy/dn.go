package policy

import (
	"fmt"
	"slices"
	"strings"
)

// dnTypes are the attribute types a distinguished name is written with (RFC 4514,
// and those OpenSSL prints).
var dnTypes = []string{"C", "ST", "L", "O", "OU", "CN", "street", "DC", "UID", "SN", "GN", "title", "initials", "serialNumber",
	"emailAddress", "Email", "E", "userId", "name", "surname", "givenName", "description", "unstructuredName", "dnQualifier"}

const hexDigits = "0123456789abcdefABCDEF"

// CheckDN says what is wrong with the text of a distinguished name (racoon-conf
// section 5.4): components TYPE=VALUE with commas between, a backslash before one of
// ,=+<>#;\ or two hexadecimal digits; "~" and hexadecimal DER; "*" as a value where
// wild. "" if nothing is.
func CheckDN(text string, wild bool, quote func(string) string) string {
	if der, ok := strings.CutPrefix(text, "~"); ok {
		if len(der) == 0 || len(der)%2 != 0 || strings.Trim(der, hexDigits) != "" {
			return "behind ~ stand hexadecimal digits, in pairs"
		}
		return ""
	}
	for _, component := range splitDN(text) {
		typ, value, ok := strings.Cut(component, "=")
		typ, value = strings.TrimSpace(typ), strings.TrimSpace(value)
		switch {
		case !ok:
			return fmt.Sprintf("%q is not TYPE=VALUE", quote(component))
		case !slices.ContainsFunc(dnTypes, func(t string) bool { return strings.EqualFold(t, typ) }) && strings.Trim(typ, "0123456789.") != "", typ == "":
			return fmt.Sprintf("%q is no type of its components (C, ST, L, O, OU, CN, emailAddress, ...)", quote(typ))
		case value == "":
			return quote(typ) + " has no value"
		case value == "*" && !wild:
			return "only a peer's may have *"
		}
		if fault := checkEscapes(value); fault != "" {
			return fault
		}
	}
	return ""
}

// splitDN cuts at the commas that are not escaped.
func splitDN(text string) (out []string) {
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			out, from = append(out, text[from:i]), i+1
		}
	}
	return append(out, text[from:])
}

func checkEscapes(value string) string {
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		rest := value[i+1:]
		switch {
		case rest != "" && strings.IndexByte(",=+<>#;\\", rest[0]) >= 0:
			i++
		case len(rest) >= 2 && strings.Trim(rest[:2], hexDigits) == "":
			i += 2
		default:
			return "a backslash stands before one of ,=+<>#;\\ or two hexadecimal digits"
		}
	}
	return ""
}

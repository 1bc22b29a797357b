package isakmp

import "strconv"

// Names is one numbering of the RFCs or of IANA's registries as a table that
// is read both ways.
type Names []Name

// A Name is one row of Names.
type Name struct {
	Number uint32
	Name   string
}

// Name returns the name of n, or n in decimal.
func (t Names) Name(n uint32) string {
	for _, e := range t {
		if e.Number == n {
			return e.Name
		}
	}
	return strconv.FormatUint(uint64(n), 10)
}

// Number is the inverse of Name; it takes decimal numbers, too.
func (t Names) Number(name string) (n uint32, ok bool) {
	for _, e := range t {
		if e.Name == name {
			return e.Number, true
		}
	}
	u, err := strconv.ParseUint(name, 10, 32)
	return uint32(u), err == nil
}

package policy

import (
	"bytes"
	"reflect"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

var (
	position = reflect.TypeFor[Position]()
	secretly = reflect.TypeFor[secret.Bytes]()
)

// same reports whether two values say the same: everything in them is equal but for
// positions, wherever those stand. It is done by reflection: a field that is added
// one day and forgotten in a comparison by hand would be a reload without effect.
func same[T any](a, b *T) bool {
	return a == b || sameValue(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

// sameValue compares what plain configuration values are made of. nil and empty are
// different: an identity without a value is not one of no octets.
func sameValue(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Struct:
		switch a.Type() {
		case position:
			return true
		case secretly: // it hides its octets from reflection
			x, y := a.Interface().(secret.Bytes), b.Interface().(secret.Bytes)
			return bytes.Equal(x.Reveal(), y.Reveal())
		}
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		if a.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Equal(a.Bytes(), b.Bytes())
		}
		fallthrough
	case reflect.Array:
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if v := b.MapIndex(k); !v.IsValid() || !sameValue(a.MapIndex(k), v) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		if a.Kind() == reflect.Pointer && a.Pointer() == b.Pointer() {
			return true
		}
		if a = a.Elem(); a.Type() != b.Elem().Type() {
			return false
		}
		return sameValue(a, b.Elem())
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return a.IsZero() && b.IsZero() // none is in a configuration; if one ever is, it counts as changed
	}
	return a.Equal(b)
}

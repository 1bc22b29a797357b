package doi

import (
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// classes are the attributes one phase understands.
type classes struct {
	names              isakmp.Names
	lifeType, duration uint16
	plain              []uint16 // those with a number below 2^16
}

var (
	phase1Classes = classes{isakmp.Phase1Attrs, isakmp.AttrLifeType, isakmp.AttrLifeDuration,
		[]uint16{isakmp.AttrEncryption, isakmp.AttrHash, isakmp.AttrAuthMethod, isakmp.AttrGroup, isakmp.AttrGroupType, isakmp.AttrKeyLength}}
	phase2Classes = classes{isakmp.Phase2Attrs, isakmp.SAAttrLifeType, isakmp.SAAttrLifeDuration,
		[]uint16{isakmp.SAAttrGroup, isakmp.SAAttrEncapMode, isakmp.SAAttrAuth, isakmp.SAAttrKeyLength, isakmp.SAAttrESN}}
)

// attrs are the attributes of a transform by class, 0 = absent.
type attrs struct {
	value [16]uint16
	said  uint8 // a bit for each life type it has
	life  Life
}

// read takes attributes in any order; only a life duration follows its type (RFC
// 2407 section 4.5). Zero is reserved in every class. A class may come again with
// the same value, not with another. Without a lifetime in seconds 28800 are meant,
// without one in kilobytes there is no limit.
func (c classes) read(as []isakmp.Attribute) (attrs, error) {
	var a attrs
	var lives [isakmp.LifeKilobytes + 1]uint64
	var lifeType uint64
	for _, at := range as {
		name := c.names.Name(uint32(at.Type))
		v, ok := at.Uint()
		switch {
		case at.Type != c.lifeType && at.Type != c.duration && !slices.Contains(c.plain, at.Type):
			return a, fmt.Errorf("attribute %s is not supported", name)
		case !ok:
			return a, fmt.Errorf("attribute %s of %d octets", name, len(at.Value))
		case v == 0:
			return a, fmt.Errorf("attribute %s is 0", name)
		case at.Type == c.lifeType && v > isakmp.LifeKilobytes:
			return a, fmt.Errorf("life type %d is not supported", v)
		case at.Type == c.lifeType:
			lifeType = v
		case at.Type == c.duration && lifeType == 0:
			return a, fmt.Errorf("a life duration without a life type before it")
		case at.Type == c.duration && lives[lifeType] != 0 && lives[lifeType] != v:
			return a, fmt.Errorf("lifetimes %d and %d %s", lives[lifeType], v, isakmp.LifeTypes.Name(uint32(lifeType)))
		case at.Type == c.duration:
			lives[lifeType], a.said, lifeType = v, a.said|1<<lifeType, 0
		case v > 0xffff:
			return a, fmt.Errorf("attribute %s is %d", name, v)
		case a.value[at.Type] != 0 && a.value[at.Type] != uint16(v):
			return a, fmt.Errorf("attribute %s is both %d and %d", name, a.value[at.Type], v)
		default:
			a.value[at.Type] = uint16(v)
		}
	}
	a.life = Life{policy.DefaultLifetime, min(lives[isakmp.LifeKilobytes], maxKB)}
	if s := lives[isakmp.LifeSeconds]; s != 0 {
		a.life.Time = time.Duration(min(s, maxLife)) * time.Second
	}
	return a, nil
}

// present appends an attribute unless it says nothing.
func present(as []isakmp.Attribute, class, v uint16) []isakmp.Attribute {
	if v == 0 {
		return as
	}
	return append(as, isakmp.TV(class, v))
}

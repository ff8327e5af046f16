package router

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/fluxmq/webhookd/messages"
)

// userProperties have the shape that they have in JSON.
func userProperties(given []messages.UserProperty) ref.Val {
	properties := make([]userProperty, len(given))
	list := make([]ref.Val, len(given))
	for i, property := range given {
		properties[i] = userProperty{types.String(property.Name), types.String(property.Value)}
		list[i] = &properties[i]
	}
	return types.NewRefValList(types.DefaultTypeAdapter, list)
}

var nameKey, valueKey = types.String("name"), types.String("value")

// userProperty is a map with the keys "name" and "value" that takes no more room than its two texts. It implements
// traits.Mapper.
type userProperty struct {
	name, value ref.Val
}

// Find implements traits.Mapper.
func (p *userProperty) Find(key ref.Val) (ref.Val, bool) {
	switch key {
	case nameKey:
		return p.name, true
	case valueKey:
		return p.value, true
	}
	return p.asMap().Find(key)
}

// Get implements traits.Indexer.
func (p *userProperty) Get(key ref.Val) ref.Val {
	if value, ok := p.Find(key); ok {
		return value
	}
	return p.asMap().Get(key) // an error
}

// Equal implements ref.Val.
func (p *userProperty) Equal(other ref.Val) ref.Val {
	pairs, ok := other.(traits.Mapper)
	if !ok || pairs.Size() != p.Size() {
		return types.False
	}
	name, _ := pairs.Find(nameKey)
	value, _ := pairs.Find(valueKey)
	return types.Bool(name == p.name && value == p.value)
}

// Iterator implements traits.Iterable.
func (*userProperty) Iterator() traits.Iterator {
	return types.NewRefValList(types.DefaultTypeAdapter, []ref.Val{nameKey, valueKey}).Iterator()
}

// Size implements traits.Sizer.
func (*userProperty) Size() ref.Val { return types.Int(2) }

// Type implements ref.Val.
func (*userProperty) Type() ref.Type { return types.MapType }

// Contains implements traits.Container.
func (p *userProperty) Contains(key ref.Val) ref.Val { return p.asMap().Contains(key) }

// ConvertToNative implements ref.Val.
func (p *userProperty) ConvertToNative(to reflect.Type) (any, error) {
	return p.asMap().ConvertToNative(to)
}

// ConvertToType implements ref.Val.
func (p *userProperty) ConvertToType(to ref.Type) ref.Val { return p.asMap().ConvertToType(to) }

// Value implements ref.Val.
func (p *userProperty) Value() any { return p.asMap().Value() }

// asMap is the same as a map of CEL's own.
func (p *userProperty) asMap() traits.Mapper {
	return types.NewRefValMap(types.DefaultTypeAdapter, map[ref.Val]ref.Val{nameKey: p.name, valueKey: p.value})
}

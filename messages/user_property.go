package messages

import (
	"cmp"
	"fmt"
)

// UserProperty is one user property of a message. A name may occur more than once.
type UserProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func checkProperties(properties []UserProperty) error {
	for i, property := range properties {
		field := fmt.Sprintf("user_properties[%d]", i)
		if err := cmp.Or(
			checkField(field+".name", property.Name, checkText),
			checkField(field+".value", property.Value, checkText),
		); err != nil {
			return err
		}
	}
	return nil
}

func (o object) properties(key string, values []UserProperty) object {
	o = append(o.next(key), '[')
	for i, property := range values {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(append(o, '{').text("name", property.Name).text("value", property.Value), '}')
	}
	return append(o, ']')
}

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
	if err := checkPropertyBounds(properties); err != nil {
		return err
	}
	for i, property := range properties {
		if checkText(property.Name) == nil && checkText(property.Value) == nil {
			continue
		}
		field := propertyField(i)
		return cmp.Or(checkField(field+".name", property.Name, checkText), checkField(field+".value", property.Value, checkText))
	}
	return nil
}

// checkPropertyBounds holds user properties to MaxUserProperties and MaxUserPropertyBytes.
func checkPropertyBounds(properties []UserProperty) error {
	size := 0
	for _, property := range properties {
		size += len(property.Name) + len(property.Value)
	}
	return checkField("user_properties", len(properties), func(number int) error { return checkPropertySums(number, size) })
}

func checkPropertySums(number, size int) error {
	switch {
	case number > MaxUserProperties:
		return fmt.Errorf("are more than %d", MaxUserProperties)
	case size > MaxUserPropertyBytes:
		return fmt.Errorf("have more than %d bytes together", MaxUserPropertyBytes)
	}
	return nil
}

func propertyField(i int) string { return fmt.Sprintf("user_properties[%d]", i) }

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

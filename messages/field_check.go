package messages

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// FieldError says what is wrong with one field of an event.
type FieldError struct {
	Field   string // as a path: "data.topic"
	Problem string // what is wrong, as the end of a sentence that begins with the field
}

func (e *FieldError) Error() string {
	return e.Field + ": " + e.Problem
}

func checkField[T any](name string, value T, check func(T) error) error {
	if err := check(value); err != nil {
		return &FieldError{Field: "data." + name, Problem: err.Error()}
	}
	return nil
}

func checkID(id string) error {
	if id == "" {
		return errors.New("is required")
	}
	return nil
}

func checkQoS(qos byte) error {
	if qos > 2 {
		return fmt.Errorf("is %d, not 0, 1 or 2", qos)
	}
	return nil
}

func checkSize(size int) error {
	if size < 0 {
		return fmt.Errorf("is %d, less than 0", size)
	}
	return nil
}

func oneOf(allowed ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fmt.Errorf("is %.64q, not one of %s", value, strings.Join(allowed, ", "))
	}
}

package config

import (
	"errors"
	"strconv"
)

// RejectionThreshold is a number of rejections. Its zero value inherits; a file says 0 for NoRejectionThreshold.
type RejectionThreshold int

// NoRejectionThreshold is reached by no number of rejections.
const NoRejectionThreshold RejectionThreshold = -1

func parseRejectionThreshold(text string) (RejectionThreshold, error) {
	n, err := strconv.ParseInt(text, 0, strconv.IntSize)
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, errors.New("is negative")
	case n == 0:
		return NoRejectionThreshold, nil
	}
	return RejectionThreshold(n), nil
}

// MarshalYAML writes the number as a file says it.
func (t RejectionThreshold) MarshalYAML() (any, error) { return max(int(t), 0), nil }

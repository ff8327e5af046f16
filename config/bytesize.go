package config

import (
	"fmt"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. Its text is a whole number, with one of the units B, KiB, MiB and GiB (powers of
// 1,024) or KB, MB and GB (powers of 1,000), or without a unit for bytes: "64MiB".
type ByteSize int64

var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// ParseByteSize reads a ByteSize. It fails for a text that is none, a negative one, and one over 2^62 bytes.
func ParseByteSize(text string) (ByteSize, error) {
	digits, factor := text, int64(1)
	for _, unit := range byteUnits {
		if number, ok := strings.CutSuffix(text, unit.name); ok {
			digits, factor = strings.TrimSpace(number), unit.bytes
			break
		}
	}
	number, err := strconv.ParseUint(digits, 10, 62)
	if err != nil {
		return 0, fmt.Errorf("%q is no size: write a number of bytes, or one with a unit, as 64MiB", text)
	}
	if int64(number) > (1<<62)/factor {
		return 0, fmt.Errorf("%q is too large a size", text)
	}
	return ByteSize(int64(number) * factor), nil
}

// String writes the size in the largest unit of 1,024 that divides it.
func (s ByteSize) String() string {
	for _, unit := range byteUnits[:3] {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalYAML writes the size as String does.
func (s ByteSize) MarshalYAML() (any, error) { return s.String(), nil }

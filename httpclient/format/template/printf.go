package template

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxPrintfBytes = 4 * MaxBytes        // of what a printf might make, reckoned beforehand
	maxPadding     = 1_000_000           // to which fmt pads, and no further
	missingBytes   = len("%!x(MISSING)") // what fmt writes for a verb without a value
)

// printf refuses beforehand what might make far too long a text: a format that comes from an event says how often a value
// is written, and how wide.
func printf(format string, values ...any) (string, error) {
	if mostOfPrintf(format, values) > maxPrintfBytes {
		return "", errTextTooLong
	}
	return withinBound(fmt.Sprintf(format, values...))
}

// verbFlags are what may stand between the percent sign and the letter of a verb.
const verbFlags = "-+# 0123456789.*[]"

// mostOfPrintf is how long a text the format may make of the values, but for escapes.
func mostOfPrintf(format string, values []any) int {
	most, longest := lengths(values)
	most += len(format)
	for _, rest, found := strings.Cut(format, "%"); found && most <= maxPrintfBytes; _, rest, found = strings.Cut(rest, "%") {
		letters := strings.TrimLeft(rest, verbFlags)
		flags := rest[:len(rest)-len(letters)]
		most += missingBytes + paddingOf(flags)
		if strings.Contains(flags, "[") { // it names its value, as other verbs may
			most += longest
		}
	}
	return most
}

// paddingOf is how wide the flags make a value: by width and precision, and by what names a value, which counts as well.
func paddingOf(flags string) int {
	bytes := strings.Count(flags, "*") * maxPadding // whatever value that takes
	for number := range strings.FieldsFuncSeq(flags, func(r rune) bool { return r < '0' || r > '9' }) {
		width, err := strconv.Atoi(number)
		if err != nil {
			width = maxPadding
		}
		bytes += min(width, maxPadding)
	}
	return bytes
}

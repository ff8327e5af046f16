package httpclient

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxDelaySeconds = uint64(math.MaxInt64 / time.Second)

// ParseRetryAfter reads the value of a Retry-After field (RFC 9110 §10.2.3): a number of seconds, or an HTTP-date,
// which it turns into the time from now on. A date that has passed gives 0, and a number beyond what a Duration holds
// gives the longest of whole seconds, some 292 years. Any other text is invalid.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	if isDigits(value) {
		// The one error left is that the number is too large; it comes with the largest one.
		seconds, _ := strconv.ParseUint(value, 10, 64)
		return time.Duration(min(seconds, maxDelaySeconds)) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(date.Sub(now), 0), true
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

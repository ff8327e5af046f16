package httpclient

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var retryAfterNow = time.Date(1999, time.December, 31, 23, 57, 59, 0, time.UTC)

// longestDelay is the longest time of whole seconds.
const longestDelay = 9223372036 * time.Second

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0":                               0,
		"120":                             2 * time.Minute,
		"0000000000000000000000000000120": 2 * time.Minute,
		"9223372036":                      longestDelay,
		"9223372037":                      longestDelay,
		"99999999999999999999999999":      longestDelay,
		"Fri, 31 Dec 1999 23:59:59 GMT":   2 * time.Minute, // RFC 9110 §10.2.3's example
		"Friday, 31-Dec-99 23:59:59 GMT":  2 * time.Minute, // and the obsolete forms of §5.6.7
		"Fri Dec 31 23:59:59 1999":        2 * time.Minute,
		"Fri, 31 Dec 1999 23:57:59 GMT":   0,
		"Sun, 06 Nov 1994 08:49:37 GMT":   0,
		"Fri, 31 Dec 9999 23:59:59 GMT":   1<<63 - 1,
	} {
		pause, ok := ParseRetryAfter(value, retryAfterNow)
		require.True(t, ok, value)
		require.Equal(t, want, pause, value)
	}
}

func TestRetryAfterOfAnotherFormIsInvalid(t *testing.T) {
	for _, value := range []string{
		"", " ", "-1", "+1", "1.5", "1e3", "0x10", "1_000", " 120", "120 ", "120s", "٣", "soon", "1999-12-31T23:59:59Z",
		"Fri, 31 Dec 1999 23:59:59", "Fri, 32 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 +0100",
	} {
		pause, ok := ParseRetryAfter(value, retryAfterNow)
		require.False(t, ok, value)
		require.Zero(t, pause, value)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"120", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri Dec 31 23:59:59 1999", "soon", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		pause, ok := ParseRetryAfter(value, retryAfterNow)
		wantPause, wantOK := plainRetryAfter(value)
		require.Equal(t, wantOK, ok)
		require.Equal(t, wantPause, pause)
	})
}

// plainRetryAfter reads a Retry-After digit by digit.
func plainRetryAfter(value string) (time.Duration, bool) {
	const limit = 9223372036
	seconds := 0
	for _, digit := range []byte(value) {
		if digit < '0' || digit > '9' {
			return plainDate(value)
		}
		seconds = min(10*seconds+int(digit-'0'), limit)
	}
	return time.Duration(seconds) * time.Second, value != ""
}

func plainDate(value string) (time.Duration, bool) {
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date.Before(retryAfterNow) {
		return 0, true
	}
	return date.Sub(retryAfterNow), true
}

package format

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestRawHeadersAreBoundedTogether(t *testing.T) {
	event := published("t")
	for range 20 {
		event.UserProperties = append(event.UserProperties, messages.UserProperty{Name: "p", Value: strings.Repeat("v", 1<<10)})
	}
	made, err := contentOf(t, rawEndpoint("http://receiver.example"), admitted(t, event))
	require.NoError(t, err)
	bytes := 0
	for name, values := range made.Header {
		if strings.HasPrefix(name, rawHeaderPrefix) && name != leftOutHeader {
			for _, value := range values {
				bytes += len(name) + len(value)
			}
		}
	}
	require.LessOrEqual(t, bytes, maxRawHeaderBytes)
	require.Greater(t, bytes, maxRawHeaderBytes-2<<10, "one more would not fit")
	require.Len(t, made.Header["Mqtt-User-P"], 15)
	require.Equal(t, []string{"5"}, made.Header[leftOutHeader])
}

func FuzzHeaderValue(f *testing.F) {
	for _, seed := range []string{"", "plain", nasty, "\xff\x00", "100%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := headerValue(text)
		require.Equal(t, -1, strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }))
		decoded, err := url.PathUnescape(value)
		require.NoError(t, err)
		require.Equal(t, text, decoded)
	})
}

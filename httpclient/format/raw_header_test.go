package format

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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

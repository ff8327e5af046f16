package excerpt

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestExcerptIsOneLineOfText(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"  \r\n busy \n":                "busy",
		"a\r\nb\tc":                     `a\r\nb\tc`,
		"\x1b[31mred\x00\x7f":           `\u001b[31mred\u0000\u007f`,
		"Küche €":                       "Küche €",
		"a\xffb":                        `a\xffb`,
		"\u202egnp\u2028":               `\u202egnp`,
		"x\U000e0041x":                  `x\U000e0041x`,
		"\ufffd":                        "\ufffd",
		`{"error":"no \"thing\" here"}`: `{"error":"no \"thing\" here"}`,
	} {
		require.Equal(t, want, Secrets(nil).Of([]byte(text)), "%q", text)
	}
}

func TestExcerptEndsAfter200Bytes(t *testing.T) {
	x := func(count int) string { return strings.Repeat("x", count) }
	for text, want := range map[string]string{
		x(200):        x(200),
		x(201):        x(200) + "…",
		x(199) + "€":  x(199) + "…",
		x(197) + "€":  x(197) + "€",
		x(197) + "€x": x(197) + "€…",
	} {
		require.Equal(t, want, Secrets(nil).Of([]byte(text)))
	}
}

func TestSecretIsReplacedInTheFormsInWhichItIsRepeated(t *testing.T) {
	const secret = `a/b+c"<d e`
	for _, repeated := range []string{
		secret, "a%2Fb%2Bc%22%3Cd+e", "a%2Fb+c%22%3Cd%20e", "a/b+c&#34;&lt;d e", `a/b+c\"\u003cd e`, `a\/b+c\"\u003cd e`,
	} {
		require.Equal(t, "no [secret] here", NewSecrets(secret).Of([]byte("no "+repeated+" here")), repeated)
	}
}

func TestLongestSecretIsReplacedFirst(t *testing.T) {
	secrets := NewSecrets("Bearer", "Bearer topsecret", "top")

	require.Equal(t, "[secret], [secret]secret [secret]", secrets.Of([]byte("Bearer topsecret, topsecret Bearer")))
	require.Equal(t, MaxBytes+len("Bearer%20topsecret"), secrets.Needed())
}

func TestSecretOnTheEdgeIsReplaced(t *testing.T) {
	secrets := NewSecrets("topsecret")
	for before := 180; before <= 200; before++ {
		text := strings.Repeat("x", before) + "topsecret and more"
		for end := before; end <= len(text); end++ {
			shown := secrets.Of([]byte(text[:end]))

			require.NotContains(t, shown, "top", "%d to %d", before, end)
			require.Equal(t, before < 200 && end-before >= 3, strings.Contains(shown, "[secret]"), "%d to %d", before, end)
		}
	}
}

func TestShortTextIsNoSecret(t *testing.T) {
	require.Equal(t, "a 12 b", NewSecrets("", "1", "12").Of([]byte("a 12 b")))
	require.Equal(t, "a [secret] b", NewSecrets("123").Of([]byte("a 123 b")))
	require.Equal(t, MaxBytes+1, NewSecrets("12").Needed())
}

func FuzzExcerpt(f *testing.F) {
	f.Add("token=topsecret\x00", "topsecret")
	f.Add(strings.Repeat("x", 195)+"topsecret", "topsecret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		secrets := NewSecrets(secret)
		shown := secrets.Of([]byte(text))

		require.True(t, utf8.ValidString(shown))
		require.LessOrEqual(t, len(shown), 6*MaxBytes+len(truncated))
		require.NotContains(t, shown, "\n")
		if len(secrets) > 0 && !strings.ContainsAny(secret, redacted+truncated) && !strings.Contains(shown, `\`) {
			require.NotContains(t, shown, secret)
		}
	})
}

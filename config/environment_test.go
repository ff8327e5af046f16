package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnvironmentIsExpanded(t *testing.T) {
	t.Setenv("WEBHOOKD_NAME", "value")
	t.Setenv("WEBHOOKD_EMPTY", "")
	t.Setenv("WEBHOOKD_NESTED", "${WEBHOOKD_NAME}")
	for text, want := range map[string]string{
		"":                                    "",
		"plain":                               "plain",
		"${WEBHOOKD_NAME}":                    "value",
		"a${WEBHOOKD_NAME}b${WEBHOOKD_NAME}c": "avaluebvaluec",
		"${WEBHOOKD_EMPTY}":                   "",
		"${WEBHOOKD_EMPTY:-fallback}":         "fallback",
		"${WEBHOOKD_UNSET:-fallback}":         "fallback",
		"${WEBHOOKD_UNSET:-}":                 "",
		"${WEBHOOKD_UNSET:-a:-b $1}":          "a:-b $1",
		"${WEBHOOKD_NAME:-fallback}":          "value",
		"${WEBHOOKD_NESTED}":                  "${WEBHOOKD_NAME}",
		"$${WEBHOOKD_NAME}":                   "${WEBHOOKD_NAME}",
		"$$${WEBHOOKD_NAME}":                  "$${WEBHOOKD_NAME}",
		"$WEBHOOKD_NAME $ $$ 5$":              "$WEBHOOKD_NAME $ $$ 5$",
		"$$${":                                "$${",
	} {
		got, err := expandEnvironment(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestMalformedReferenceIsRefused(t *testing.T) {
	for _, text := range []string{"${", "${}", "${1x}", "${A", "${A-b}", "${A B}", "${ A}", "${A:-${B}}", "${:-a}", "a ${A:b}"} {
		_, err := expandEnvironment(text)
		require.ErrorIs(t, err, errReference, text)
	}
}

func TestUnsetVariableIsNamed(t *testing.T) {
	_, err := expandEnvironment("a secret ${WEBHOOKD_UNSET}")
	require.EqualError(t, err, "needs the environment variable WEBHOOKD_UNSET, which is not set")
}

func TestVariablesCannotMultiplyAValue(t *testing.T) {
	t.Setenv("WEBHOOKD_LONG", strings.Repeat("x", 1<<16))
	_, err := expandEnvironment(strings.Repeat("${WEBHOOKD_LONG}", 16))
	require.NoError(t, err)
	_, err = expandEnvironment(strings.Repeat("${WEBHOOKD_LONG}", 17))
	require.ErrorIs(t, err, errTooLong)
}

func TestVariableThatIsNoUTF8IsRefused(t *testing.T) {
	t.Setenv("WEBHOOKD_BYTES", "\xff")
	_, err := expandEnvironment("${WEBHOOKD_BYTES}")
	require.ErrorContains(t, err, "UTF-8")
}

func FuzzEscapedValueExpandsToItself(f *testing.F) {
	for _, seed := range []string{"", "${A}", "$${A}", "$$", "${", "$$${"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		value = strings.ToValidUTF8(value, "")
		expanded, err := expandEnvironment(escapeReferences(value))
		require.NoError(t, err)
		require.Equal(t, value, expanded)
	})
}

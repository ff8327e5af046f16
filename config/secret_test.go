package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestSecretIsReadFromAFile(t *testing.T) {
	t.Setenv("WEBHOOKD_TEST_FILE", "token")
	for content, want := range map[string]config.Secret{
		"s3cret": "s3cret", "s3cret\n": "s3cret", "s3cret\r\n": "s3cret", "s3cret\n\n": "s3cret\n", " s3cret ": " s3cret ",
		"${HOME}": "${HOME}", strings.Repeat("x", config.MaxSecretFileBytes): config.Secret(strings.Repeat("x", config.MaxSecretFileBytes)),
	} {
		directory := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(directory, "token"), []byte(content), 0o600))
		for _, path := range []string{"token", "./token", filepath.Join(directory, "token"), "${WEBHOOKD_TEST_FILE}"} {
			text := fmt.Sprintf("admin: {token: {file: %q}}", path)
			loaded, _, err := config.Parse(filepath.Join(directory, "webhookd.yml"), []byte(text))
			require.NoError(t, err)
			require.True(t, want == loaded.Admin.Token, "%q", content)
		}
	}
}

func TestUnfitSecretFileIsNamedWithItsPlace(t *testing.T) {
	directory := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "newline": "\n", "bytes": "s3cret\xff", "large": strings.Repeat("s3cret", config.MaxSecretFileBytes),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600))
	}
	for value, want := range map[string]string{
		"{file: empty}":              "is empty",
		"{file: newline}":            "is empty",
		"{file: bytes}":              "is not UTF-8",
		"{file: large}":              "is larger than 64KiB",
		"{file: missing}":            "no such file",
		"{file: .}":                  "is a directory",
		"{file: /dev/null}":          "is no regular file",
		"{file: ''}":                 "empty file path",
		"{file: '${WEBHOOKD_NONE}'}": "WEBHOOKD_NONE",
		"{file: }":                   "must be a text, or {file: PATH}",
		"{file: [s3cret]}":           "must be a text, or {file: PATH}",
		"{s3cret: s3cret}":           "must be a text, or {file: PATH}",
		"{file: empty, s3cret: 1}":   "must be a text, or {file: PATH}",
		"{s3cret}":                   "must be a text, or {file: PATH}",
	} {
		_, _, err := config.Parse(filepath.Join(directory, "w.yml"), []byte("admin:\n  token: "+value))
		require.ErrorContains(t, err, "w.yml:2:3: admin.token: ", value)
		require.ErrorContains(t, err, want, value)
		require.NotContains(t, err.Error(), "s3cret", value)
	}
}

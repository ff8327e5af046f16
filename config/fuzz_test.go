package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

// FuzzParse shows that no text breaks Parse, and that what it takes is valid and dumps as a text that it takes too.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yml")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("file")) {
			t.Skip("a secret may name any file of this host")
		}
		parsed, _, err := config.Parse("fuzz.yml", text)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NoError(t, parsed.Validate())
		dump, err := parsed.Dump()
		require.NoError(t, err)
		again, _, err := config.Parse("fuzz.yml", dump)
		require.NoError(t, err, "%s", dump)
		dumpedAgain, err := again.Dump()
		require.NoError(t, err)
		require.Equal(t, string(dump), string(dumpedAgain))
	})
}

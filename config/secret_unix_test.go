//go:build unix

package config_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestSecretThatIsAPipeIsNotWaitedFor(t *testing.T) {
	directory := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(directory, "pipe"), 0o600))
	_, _, err := config.Parse(filepath.Join(directory, "w.yml"), []byte("admin: {token: {file: pipe}}"))
	require.ErrorContains(t, err, "w.yml:1:9: admin.token: can't be read: ")
	require.ErrorContains(t, err, "pipe\" is no regular file")
}

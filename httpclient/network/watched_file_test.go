package network

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFileThatIsWrittenTwiceInOneTickIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	file := &watchedFile{key: "key", path: path, maxBytes: 100}
	tick := time.Now()
	for _, content := range []string{"first", "again"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.NoError(t, os.Chtimes(path, tick, tick))

		require.True(t, file.refresh())
		require.Equal(t, content, string(file.content))
		require.False(t, file.refresh())
	}
}

func TestFileThatIsTouchedIsNotAnotherOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	file := &watchedFile{key: "key", path: path, maxBytes: 100}
	require.True(t, file.refresh())

	require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))

	require.False(t, file.refresh())
}

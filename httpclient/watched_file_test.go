package httpclient

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
		write(t, path, []byte(content))
		require.NoError(t, os.Chtimes(path, tick, tick))

		require.True(t, file.refresh())
		require.Equal(t, content, string(file.content))
		require.False(t, file.refresh())
	}
}

func TestFileThatIsTouchedIsNotAnotherOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, []byte("content"))
	file := &watchedFile{key: "key", path: path, maxBytes: 100}
	require.True(t, file.refresh())

	require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))

	require.False(t, file.refresh())
}

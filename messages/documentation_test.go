package messages

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryTypeIsDocumented(t *testing.T) {
	for _, file := range []string{"../README.md", "../docs/events.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, eventType := range Types() {
			require.True(t, strings.Contains(string(text), fmt.Sprintf("\n| `%s` | ", eventType)), "%s has no row for %s", file, eventType)
		}
	}
}

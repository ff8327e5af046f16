package webhookd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DeadLetter is what tests look at in a line of the dead letters' file.
type DeadLetter struct {
	Endpoint string
	Reason   string
	Event    struct {
		ID string `json:"event_id"`
	}
}

// DeadLetters reads the file in dir, the oldest line first, and counts the lines that are torn.
func DeadLetters(t *testing.T, dir string) (letters []DeadLetter, torn int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "dead-letters.jsonl"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var letter DeadLetter
		if json.Unmarshal([]byte(line), &letter) != nil {
			torn++
			continue
		}
		letters = append(letters, letter)
	}
	return letters, torn
}

package template

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestDocumentedFunctionsGiveTheDocumentedResults(t *testing.T) {
	documentation, err := os.ReadFile("../../../docs/templates.md")
	require.NoError(t, err)
	documented := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| (`\\w+`)? ?\\| `(.*)` \\| `(.*)` \\|$")
	for _, columns := range row.FindAllStringSubmatch(string(documentation), -1) {
		template := strings.ReplaceAll(columns[2], `\|`, "|")
		event := &messages.MessagePublished{ClientID: "c", Topic: `a/ü "b"`, QoS: 1, Payload: []byte(`{"t":21.5}`)}
		rendered, err := renderedOf(t, template, event)
		require.NoError(t, err, template)
		require.Equal(t, columns[3], rendered, template)
		documented[strings.Trim(columns[1], "`")] = true
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		isGos := slices.Contains([]string{"html", "js", "print", "printf", "println", "urlquery"}, name)
		require.True(t, documented[name] || isGos, name)
	}
}

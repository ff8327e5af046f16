package httpclient

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRoomsDoNotKnowEachOther: what a request carries and how it gets there change for different reasons.
func TestRoomsDoNotKnowEachOther(t *testing.T) {
	const module = "github.com/fluxmq/webhookd/"
	const format = module + "httpclient/format/"
	for room, allowed := range map[string][]string{
		"format":                    {module + "config", module + "messages", format + "template", format + "internal/eventjson"},
		"format/template":           {module + "config", module + "messages", format + "internal/eventjson"},
		"format/internal/eventjson": {},
		"internal/excerpt":          {},
		"network":                   {module + "config", module + "httpclient/internal/excerpt"},
	} {
		files, err := filepath.Glob(filepath.Join(filepath.FromSlash(room), "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, imported := range parsed.Imports {
				path, err := strconv.Unquote(imported.Path.Value)
				require.NoError(t, err)
				if strings.HasPrefix(path, module) {
					require.Contains(t, allowed, path, file)
				}
			}
		}
	}
}

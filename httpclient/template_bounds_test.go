package httpclient

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRenderingIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"long output": {
			`{{$x := printf "%01000000d" 0}}{{range 17}}{{$x}}{{end}}`, "renders to more than 16777216 bytes",
		},
		"loop without output": {`{{range 1000000000}}{{end}}`, "goes through more than 100000 rounds"},
		"loops in loops": {
			strings.Repeat(`{{range 100000}}`, 5) + strings.Repeat(`{{end}}`, 5), "goes through more than 100000 rounds",
		},
		"loop in the else of a loop": {
			`{{range 0}}{{else}}{{range 1000000000}}{{end}}{{end}}`, "goes through more than 100000 rounds",
		},
		"loop that goes on": {`{{range 1000000000}}{{continue}}{{end}}`, "goes through more than 100000 rounds"},
		"template that invokes itself": {
			`{{define "x"}}{{template "x" .}}{{end}}{{template "x" .}}`, "goes through more than 100000 rounds",
		},
		"templates that invoke each other twice": {
			`{{define "x"}}{{if gt (len .) 1}}{{template "x" (slice . 1)}}{{template "x" (slice . 1)}}{{end}}{{end}}` +
				`{{template "x" (printf "%064d" 0)}}`, "goes through more than 100000 rounds",
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := templated(c.template, "client.connected")
			endpoint.Template.ContentType = "text/plain"
			_, _, err := newFormat(endpoint)
			require.ErrorContains(t, err, c.want)
			require.Less(t, len(err.Error()), 400)
		})
	}
}

func TestLoopOfManyRoundsIsRendered(t *testing.T) {
	endpoint := templated(`{{range 99999}}{{end}}1`, "client.connected")
	_, _, err := newFormat(endpoint)
	require.NoError(t, err)
}

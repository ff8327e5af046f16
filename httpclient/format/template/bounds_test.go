package template

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func TestRenderingIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"long output": {
			`{{$x := printf "%01000000d" 0}}{{range 17}}{{$x}}{{end}}`, "renders to more than 16777216 bytes",
		},
		"loop without output": {`{{range 1000000000}}{{end}}`, "goes through more than 10000 rounds"},
		"loops in loops": {
			strings.Repeat(`{{range 100000}}`, 5) + strings.Repeat(`{{end}}`, 5), "goes through more than 10000 rounds",
		},
		"loop in the else of a loop": {
			`{{range 0}}{{else}}{{range 1000000000}}{{end}}{{end}}`, "goes through more than 10000 rounds",
		},
		"loop that goes on": {`{{range 1000000000}}{{continue}}{{end}}`, "goes through more than 10000 rounds"},
		"template that invokes itself": {
			`{{define "x"}}{{template "x" .}}{{end}}{{template "x" .}}`, "goes through more than 10000 rounds",
		},
		"template that invokes itself deep within itself": {
			`{{define "x"}}` + strings.Repeat(`{{if true}}`, 1000) + `{{template "x" .}}` + strings.Repeat(`{{end}}`, 1000) + `{{end}}{{template "x" .}}`,
			"has more than 20000 templates and blocks in each other",
		},
		"templates that invoke each other twice": {
			`{{define "x"}}{{if gt (len .) 1}}{{template "x" (slice . 1)}}{{template "x" (slice . 1)}}{{end}}{{end}}` +
				`{{template "x" (printf "%064d" 0)}}`, "goes through more than 10000 rounds",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loaded(c.template, messages.TypeClientConnected)
			require.ErrorContains(t, err, c.want)
			require.Less(t, len(err.Error()), 400)
		})
	}
}

func TestLoopOfManyRoundsIsRendered(t *testing.T) {
	_, err := loaded(`{{range 9999}}{{end}}1`, messages.TypeClientConnected)
	require.NoError(t, err)
}

func TestEventThatATemplateGoesIntoTooDeepIsRejected(t *testing.T) {
	const template = `{{define "x"}}{{if .}}{{with .}}{{if .}}{{template "x" (slice . 1)}}{{end}}{{end}}{{end}}{{end}}` +
		`{{template "x" (text .data.payload)}}{}`
	event := published("t")
	event.Payload = []byte(strings.Repeat("x", 4900))
	rendered, err := renderedOf(t, template, event)
	require.NoError(t, err)
	require.Equal(t, "{}", rendered)

	event.Payload = []byte(strings.Repeat("x", 100_000))
	_, err = renderedOf(t, template, event)

	require.EqualError(t, err, "template.body has more than 20000 templates and blocks in each other")
}

func TestTemplatesInvokedOneAfterTheOtherAreNotInEachOther(t *testing.T) {
	blocks := strings.Repeat("{{if true}}", 9) + strings.Repeat("{{end}}", 9)
	_, err := loaded(`{{define "x"}}`+blocks+`{{end}}{{range 4000}}{{template "x"}}{{end}}1`, messages.TypeClientConnected)
	require.NoError(t, err)
}

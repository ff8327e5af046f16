package ingest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func FuzzIngestBody(f *testing.F) {
	for _, body := range []string{
		"", "[", "[]", event("e-1"), "[" + event("e-1") + "," + event("e-2") + "]", event("e-1") + "\n" + event("e-2"),
		"[" + event("e-1"), "[" + event("e-1") + "]]", event("e-1") + event("e-1"), "[1]", "[}", `[]"`, "[]2" + strings.Repeat("0", 400),
	} {
		f.Add(false, body)
		f.Add(true, body)
	}
	f.Fuzz(func(t *testing.T, lines bool, body string) {
		read := readings["application/json"]
		if lines {
			read = readings["application/x-ndjson"]
		}
		envelopes, err := readEvents([]byte(body), read, maxEvents, anything)
		if err != nil {
			require.Empty(t, envelopes)
			requireRefusal(t, err)
			return
		}
		bodies := bodiesOf(t, envelopes)
		require.NotEmpty(t, bodies)
		require.LessOrEqual(t, len(bodies), maxEvents)

		asArray, err := readEvents([]byte("["+strings.Join(bodies, ",")+"]"), readings["application/json"], maxEvents, anything)
		require.NoError(t, err)
		require.Equal(t, bodies, bodiesOf(t, asArray))
		asLines, err := readEvents([]byte(strings.Join(bodies, "\n")), readings["application/x-ndjson"], maxEvents, anything)
		require.NoError(t, err)
		require.Equal(t, bodies, bodiesOf(t, asLines))
	})
}

// anything is room for whatever there is.
func anything(int64) error { return nil }

func requireRefusal(t *testing.T, err error) {
	t.Helper()
	var refused *refusal
	require.True(t, errors.As(err, &refused), err)
	require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, refused.status)
	require.NotEmpty(t, refused.Problem)
	require.LessOrEqual(t, refused.Item, maxEvents)
}

func bodiesOf(t *testing.T, envelopes []*messages.Envelope) []string {
	t.Helper()
	var bodies []string
	for _, envelope := range envelopes {
		require.NoError(t, envelope.Admit(messages.Admission{IncludePayload: true, MaxPayloadBytes: 1 << 20}, now))
		body := envelope.Body()
		bodies = append(bodies, string(body))
	}
	return bodies
}

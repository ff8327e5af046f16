package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzReplayBody(f *testing.F) {
	const id = "0192d3a1-9d1c-7cc4-a6f5-0123456789ab"
	for _, body := range []string{
		"{}", " {\n} ", "null", "[]", "{} {}", `{"ids":null}`, `{"ids":["` + id + `"]}`, `{"endpoint":""}`, `{"endpoint":"a","error":"x"}`,
		`{"since":"2026-02-05T12:00:00Z"}`, `{"until":"0001-01-01T00:00:00Z"}`, `{"type":"message.published","type":""}`, `{"Endpoint":"a"}`,
		`{"dry_run":true,"per_second":2.5}`, `{"per_second":1e999}`, `{"dry_run":0}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		request := httptest.NewRequest(http.MethodPost, "/v1/dead-letters/replay", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		choice, refused := readChoice(httptest.NewRecorder(), request, "dry_run", "per_second")
		if refused != nil {
			require.Less(t, len(refused.Field)+len(refused.Problem), 400)
			return
		}
		var said map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &said))
		_, dry := said["dry_run"]
		delete(said, "dry_run")
		require.True(t, dry || !choice.dryRun)
		_, paced := said["per_second"]
		delete(said, "per_second")
		require.Equal(t, paced, choice.perSecond > 0)
		understood, err := json.Marshal(choice.DeadLetterFilter)
		require.NoError(t, err)
		var kept map[string]any
		require.NoError(t, json.Unmarshal(understood, &kept))
		require.Len(t, kept, len(said), "all that is said chooses")
	})
}

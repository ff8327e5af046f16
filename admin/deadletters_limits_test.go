package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func TestReasonOfARefusalIsToldAndItsFaultIsLogged(t *testing.T) {
	const unreadable = "the dead letters can't be read: see the log"
	for _, c := range []struct {
		err     error
		status  int
		problem string
		result  bool
	}{
		{fmt.Errorf("show: %w", store.ErrNoDeadLetter), http.StatusNotFound, "show: no dead letter with this id is kept", false},
		{fmt.Errorf("replay: %w", context.Canceled), http.StatusServiceUnavailable, "it was called off", true},
		{fmt.Errorf("%w: write /secret/path", messages.ErrUnavailable), http.StatusServiceUnavailable, "the store keeps nothing at present", true},
		{fmt.Errorf("replay: %w", messages.ErrClosed), http.StatusServiceUnavailable, "the router is closed", true},
		{fmt.Errorf("replay: %w", context.DeadlineExceeded), http.StatusServiceUnavailable, "it takes too long: ask for fewer", true},
		{errors.New("open /secret/path: no such file"), http.StatusInternalServerError, unreadable, true},
	} {
		var logged bytes.Buffer
		refused := deadLetters{log: slog.New(slog.NewTextHandler(&logged, nil))}.refuse(c.err, store.ReplayResult{Accepted: 7})
		answer := httptest.NewRecorder()
		refused.write(answer)
		require.Equal(t, c.status, answer.Code)
		require.Equal(t, c.problem, refused.Problem)
		require.Equal(t, c.result, strings.Contains(answer.Body.String(), `"accepted":7`), answer.Body)
		require.Equal(t, c.status == http.StatusServiceUnavailable, answer.Header().Get("Retry-After") == "1")
		require.Equal(t, c.problem == unreadable, strings.Contains(logged.String(), "/secret/path"))
	}
}

func TestSlowBodyIsRefusedAsLate(t *testing.T) {
	refused := refuseBody(fmt.Errorf("read: %w", os.ErrDeadlineExceeded))
	require.Equal(t, http.StatusRequestTimeout, refused.status)
	require.Equal(t, "the body did not arrive in time", refused.Problem)
}

func TestParametersOfAListAreTakenUpToTheirBounds(t *testing.T) {
	query, refused := parseQuery("")
	require.Nil(t, refused)
	require.Equal(t, store.DeadLetterQuery{Limit: 100}, query)
	longest := strings.Repeat("x", maxTextBytes)
	query, refused = parseQuery("limit=1000&error=" + longest)
	require.Nil(t, refused)
	require.Equal(t, 1000, query.Limit)
	require.Equal(t, longest, query.Error)
}

func TestAnswersAreNotWrittenForAPage(t *testing.T) {
	answer := httptest.NewRecorder()
	writeJSON(answer, http.StatusOK, "<&>")
	require.Equal(t, "\"<&>\"\n", answer.Body.String())
}

// timed is an answer whose connection keeps its deadlines.
type timed struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (t *timed) SetReadDeadline(at time.Time) error  { t.read = at; return nil }
func (t *timed) SetWriteDeadline(at time.Time) error { t.write = at; return nil }

func TestLookThroughDeadLettersHasTimeToBeAnswered(t *testing.T) {
	var logged bytes.Buffer
	letters := deadLetters{log: slog.New(slog.NewTextHandler(&logged, nil))}
	request := httptest.NewRequest(http.MethodGet, "/v1/dead-letters", nil)

	connection := &timed{ResponseRecorder: httptest.NewRecorder()}
	began := time.Now()
	ctx, cancel := letters.begin(connection, request)
	defer cancel()
	end, bounded := ctx.Deadline()
	require.True(t, bounded)
	require.WithinDuration(t, began.Add(readingTimeout), end, patience)
	require.WithinDuration(t, began.Add(readingTimeout+writeTimeout), connection.read, patience)
	require.Equal(t, connection.read, connection.write)
	require.Empty(t, logged.String())

	_, cancel = letters.begin(httptest.NewRecorder(), request)
	defer cancel()
	require.Contains(t, logged.String(), "an answer about dead letters may be cut off")
}

func TestSenderWhoLeavesIsNoFaultOfTheStore(t *testing.T) {
	r, _ := newRigWithLetters(t, 1)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	id := r.list(t, "").Letters[0].ID.String()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/dead-letters/replay", strings.NewReader(`{}`))
	request.Header.Set("Content-Type", "application/json")
	look := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/dead-letters", nil)
	look.SetPathValue("id", id)
	var logged bytes.Buffer
	letters := deadLetters{r.router, slog.New(slog.NewTextHandler(&logged, nil))}
	for _, refused := range []*refusal{
		letters.list(&timed{ResponseRecorder: httptest.NewRecorder()}, look),
		letters.show(&timed{ResponseRecorder: httptest.NewRecorder()}, look),
		letters.replay(&timed{ResponseRecorder: httptest.NewRecorder()}, request),
	} {
		require.NotNil(t, refused)
		require.Equal(t, http.StatusServiceUnavailable, refused.status)
	}
	require.Empty(t, logged.String())
}

func TestReplayIsLogged(t *testing.T) {
	r, takes := newRigWithLetters(t, 1)
	takes.Store(true)
	var logged bytes.Buffer
	request := httptest.NewRequest(http.MethodPost, "/v1/dead-letters/replay", strings.NewReader(`{"endpoint":"a"}`))
	request.Header.Set("Content-Type", "application/json")
	require.Nil(t, deadLetters{r.router, slog.New(slog.NewTextHandler(&logged, nil))}.
		replay(&timed{ResponseRecorder: httptest.NewRecorder()}, request))
	require.Contains(t, logged.String(), `msg="dead letters are replayed" accepted=1 left=0 remote_addr=192.0.2.1:1234`)
}

// gone is an answer whose reader has left after its first line.
type gone struct {
	timed
	lines int
}

func (g *gone) Write(line []byte) (int, error) {
	if g.lines++; g.lines > 1 {
		return 0, io.ErrClosedPipe
	}
	return g.timed.Write(line)
}

func TestExportIsCutOffWhereItIsNotWhole(t *testing.T) {
	r, _ := newRigWithLetters(t, 2)
	var logged bytes.Buffer
	letters := deadLetters{r.router, slog.New(slog.NewTextHandler(&logged, nil))}
	request := httptest.NewRequest(http.MethodPost, "/v1/dead-letters/export", strings.NewReader("{}"))
	request.Header.Set("Content-Type", "application/json")
	answer := &gone{timed: timed{ResponseRecorder: httptest.NewRecorder()}}
	began := time.Now()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { letters.export(answer, request) })
	require.Equal(t, 2, answer.lines)
	require.Empty(t, logged.String(), "a reader who leaves is no fault")
	require.WithinDuration(t, began.Add(answerTimeout), answer.write, patience, "each line has its time")
	require.Equal(t, answer.write, answer.read)
}

func TestDeletionIsLogged(t *testing.T) {
	r, _ := newRigWithLetters(t, 1)
	var logged bytes.Buffer
	request := httptest.NewRequest(http.MethodPost, "/v1/dead-letters/delete", strings.NewReader(`{"endpoint":"a"}`))
	request.Header.Set("Content-Type", "application/json")
	require.Nil(t, deadLetters{r.router, slog.New(slog.NewTextHandler(&logged, nil))}.
		remove(&timed{ResponseRecorder: httptest.NewRecorder()}, request))
	require.Contains(t, logged.String(), `level=WARN msg="dead letters are deleted" deleted=1 remote_addr=192.0.2.1:1234`)
}

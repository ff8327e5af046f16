package ingest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/internal/httpserver"
)

// slow is a router whose calls end when the test says so.
func slow() *recorder { return &recorder{entered: make(chan struct{}), release: make(chan struct{})} }

func (s started) postAside(t *testing.T) <-chan answer {
	answered := make(chan answer, 1)
	go func() { answered <- s.post(t, "application/json", event("e-1")) }()
	return answered
}

func requireLater(t *testing.T, got answer) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Equal(t, `{"error":{"problem":"the events were not safe in time"}}`, got.body)
}

func TestAnswerComesAndRoomIsGivenBackWhenTheEventsAreSafe(t *testing.T) {
	router := slow()
	s := start(t, router)
	answered := s.postAside(t)
	<-router.entered
	require.Empty(t, answered)
	s.requireBodiesUnderWay(t, 1)
	s.room.mu.Lock()
	require.Positive(t, s.room.bodies[0].held)
	s.room.mu.Unlock()

	close(router.release)
	require.Equal(t, http.StatusAccepted, (<-answered).status)
	s.requireRoomEmpty(t)
}

func TestRequestWaitsForItsReceiptSoLong(t *testing.T) {
	router := slow()
	s := start(t, router, func(s *Server) { s.receiptTimeout = 50 * time.Millisecond })
	answered := s.postAside(t)
	<-router.entered
	requireLater(t, <-answered)
	s.requireRoomEmpty(t)
}

func TestSenderThatLeavesEndsTheWait(t *testing.T) {
	router := slow()
	s := start(t, router)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := s.client.Do(s.request(t, strings.NewReader(event("e-1"))).WithContext(ctx))
		left <- err
	}()
	<-router.entered
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	s.requireRoomEmpty(t)
}

func TestWriteDeadlineLeavesTimeForTheReceipt(t *testing.T) {
	router := slow()
	hasty := settings(config.Ingest{Listen: "127.0.0.1:0"})
	hasty.WriteTimeout = 50 * time.Millisecond
	s := start(t, router, func(s *Server) {
		var err error
		s.Server, err = httpserver.New(hasty, s, s.log)
		require.NoError(t, err)
	})
	answered := s.postAside(t)
	<-router.entered
	time.Sleep(2 * hasty.WriteTimeout)
	close(router.release)
	require.Equal(t, http.StatusAccepted, (<-answered).status)
}

func TestStopEndsTheWaitForReceipts(t *testing.T) {
	router := slow()
	s := start(t, router)
	answered := s.postAside(t)
	<-router.entered
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	require.NoError(t, s.Close(ctx))
	requireLater(t, <-answered)
	require.NotContains(t, s.logged.String(), "cut requests")
}

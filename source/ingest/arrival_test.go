package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// half begins a request of as many bytes, and sends some of them.
func (s started) half(t *testing.T, length int, sent string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, token, length, sent)
	require.NoError(t, err)
	return connection
}

func answerOf(t *testing.T, connection net.Conn) answer {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, strings.TrimSpace(string(body))}
}

const tooSlow = `{"error":{"problem":"the body did not arrive in time"}}`

func TestSenderThatStopsIsToldWhenItsTimeIsOver(t *testing.T) {
	s := start(t, &recorder{}, func(s *Server) { s.pieceTimeout = 50 * time.Millisecond })
	got := answerOf(t, s.half(t, 100, "["))
	require.Equal(t, http.StatusRequestTimeout, got.status)
	require.Equal(t, tooSlow, got.body)
	require.Empty(t, s.router.calls())
	s.requireRoomEmpty(t)
}

func TestSenderThatTricklesIsCut(t *testing.T) {
	s := start(t, &recorder{}, func(s *Server) { s.pieceTimeout = 100 * time.Millisecond })
	connection := s.half(t, maxBody, "[")
	go func() {
		for {
			if _, err := io.WriteString(connection, " "); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	began := time.Now()
	require.Equal(t, http.StatusRequestTimeout, answerOf(t, connection).status)
	require.Less(t, time.Since(began), patience/2)
	require.NoError(t, connection.Close())
	s.requireRoomEmpty(t)
}

// TestLongBodyHasItsTimeForEachPiece sends more pieces than one piece's time has room for.
func TestLongBodyHasItsTimeForEachPiece(t *testing.T) {
	const pieces = 6
	s := start(t, &recorder{}, func(s *Server) {
		s.maxBodyBytes, s.pieceTimeout = pieces*pieceBytes+maxBody, 400*time.Millisecond
	})
	connection := s.half(t, pieces*pieceBytes+len(event("e-1")), "")
	for range pieces {
		time.Sleep(s.pieceTimeout / 4)
		_, err := io.WriteString(connection, strings.Repeat(" ", pieceBytes))
		require.NoError(t, err)
	}
	_, err := io.WriteString(connection, event("e-1"))
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, answerOf(t, connection).status)
}

func TestSlowBodiesTakeNoRoomFromOthers(t *testing.T) {
	const length = 1 << 20
	s := start(t, &recorder{}, func(s *Server) {
		s.maxBodyBytes, s.room = length, newRoom(roomBytes(length))
	})
	for range 100 {
		s.half(t, length, "[")
	}
	s.requireBodiesUnderWay(t, 100)
	began := time.Now()
	require.Equal(t, http.StatusAccepted, s.post(t, "application/json", event("e-1")).status)
	require.Less(t, time.Since(began), slowPiece, "it waits for none of them")
}

// TestSlowBodiesThatHoldTheRoomGiveWay would find no room within a body's patience if none of them were cut.
func TestSlowBodiesThatHoldTheRoomGiveWay(t *testing.T) {
	const length = 1 << 20
	s := start(t, &recorder{}, func(s *Server) {
		s.maxBodyBytes, s.room, s.pieceTimeout = length, newRoom(5*length), patience
		s.room.slow, s.room.patience = 100*time.Millisecond, patience/2
	})
	var slow []net.Conn
	for range 8 {
		slow = append(slow, s.half(t, length, strings.Repeat(" ", length-1)))
	}
	for range 4 {
		require.Equal(t, http.StatusAccepted, s.post(t, "application/json", event("e-1")).status)
	}
	got := answerOf(t, slow[0])
	require.Equal(t, http.StatusRequestTimeout, got.status)
	require.Equal(t, tooSlow, got.body)
	for _, connection := range slow {
		require.NoError(t, connection.Close())
	}
	s.requireRoomEmpty(t)
}

func TestBodyThatFindsNoRoomIsSentAgainLater(t *testing.T) {
	s := start(t, &recorder{}, func(s *Server) { s.room.patience = 50 * time.Millisecond })
	first, holder := s.room.enter(uncut), s.room.enter(uncut)
	require.NoError(t, holder.take(s.room.whole/2))
	got := s.post(t, "application/json", event("e-1"))
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Equal(t, `{"error":{"problem":"too many requests at once"}}`, got.body)

	s.room.patience = patience
	later := make(chan answer, 1)
	request := s.request(t, strings.NewReader(event("e-1")))
	go func() { later <- s.send(t, request) }()
	s.requireBodiesUnderWay(t, 3)
	holder.leave()
	require.Equal(t, http.StatusAccepted, (<-later).status)
	first.leave()
	s.requireRoomEmpty(t)
}

func TestRoomOfABodyIsGivenBackWhateverBecomesOfIt(t *testing.T) {
	full := event("e-1") + strings.Repeat(" ", maxBody-len(event("e-1")))
	for name, c := range map[string]struct {
		router *recorder
		body   string
		status int
	}{
		"taken":             {&recorder{}, full, 202},
		"no JSON":           {&recorder{}, strings.Repeat("x", maxBody), 400},
		"bad second item":   {&recorder{}, "[" + event("e-1") + ",{}]", 400},
		"no event":          {&recorder{}, strings.Repeat(" ", maxBody), 400},
		"too many events":   {&recorder{}, "[" + strings.Repeat(`{"event_type":"auth.failure","data":{}},`, maxEvents) + "{}]", 413},
		"refused":           {&recorder{err: messages.ErrQueueFull}, full, 503},
		"larger than queue": {&recorder{err: messages.ErrTooLarge}, full, 413},
		"an error":          {&recorder{err: errors.New("broken")}, full, 500},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.router)
			for range 3 {
				require.Equal(t, c.status, s.post(t, "application/json", c.body).status)
				s.requireRoomEmpty(t)
			}
		})
	}
	t.Run("too long", func(t *testing.T) {
		s := start(t, &recorder{})
		request := s.request(t, io.MultiReader(strings.NewReader(full+full)))
		require.Equal(t, http.StatusRequestEntityTooLarge, s.send(t, request).status)
		s.requireRoomEmpty(t)
	})
	t.Run("hung up", func(t *testing.T) {
		s := start(t, &recorder{})
		connection := s.half(t, maxBody, full[1:])
		s.requireBodiesUnderWay(t, 1)
		require.NoError(t, connection.Close())
		s.requireRoomEmpty(t)
	})
	t.Run("a panic", func(t *testing.T) {
		s := start(t, &recorder{panics: true})
		_, err := s.client.Do(s.request(t, strings.NewReader(full)))
		require.Error(t, err)
		s.requireRoomEmpty(t)
	})
}

func (s started) requireBodiesUnderWay(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.room.mu.Lock()
		defer s.room.mu.Unlock()
		return len(s.room.bodies) == n
	}, patience, time.Millisecond)
}

// requireRoomEmpty waits a little: a handler ends after its answer is sent.
func (s started) requireRoomEmpty(t *testing.T) {
	t.Helper()
	s.requireBodiesUnderWay(t, 0)
	requireEmpty(t, s.room)
}

// TestSenderIsBlamedForNoWaitButItsOwn reads a body that waits for room with all of its bytes there, and waits again when
// it is read: for room to unfold to. Only a sender whose next piece is awaited may be cut.
func TestSenderIsBlamedForNoWaitButItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(8 * pieceBytes)
		first := r.enter(uncut)
		require.NoError(t, first.take(5*pieceBytes/2))
		s := r.enter(uncut)
		text := strings.Repeat("x", 2*pieceBytes-1)
		a := arrival{body: strings.NewReader(text), share: s, control: http.NewResponseController(&untimed{}), piece: pieceTimeout,
			end: time.Now().Add(readTimeout)}
		time.AfterFunc(2*slowPiece, first.leave)
		began := time.Now()
		body, err := a.read(int64(len(text)))
		require.NoError(t, err)
		require.Equal(t, 2*slowPiece, time.Since(began))
		require.Equal(t, text, string(body))
		require.EqualValues(t, cap(body), s.held, "what it grew out of is given back")

		time.Sleep(2 * slowPiece)
		other := r.enter(uncut)
		require.NoError(t, other.take(2*pieceBytes))
		require.ErrorIs(t, other.take(pieceBytes), errNoRoom)
		other.leave()
		s.leave()
		requireEmpty(t, r)
	})
}

// untimed is an answer whose connection may have any deadline.
type untimed struct{ http.ResponseWriter }

func (*untimed) SetReadDeadline(time.Time) error { return nil }

func TestRoomIsForBodiesOfTheLargestSize(t *testing.T) {
	s, err := New(config.Ingest{Listen: "127.0.0.1:0", MaxBodyBytes: 3 << 20}, maxEvents, &recorder{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	one := s.room.enter(uncut)
	require.NoError(t, one.take(3*(3<<20)))
	one.leave()
}

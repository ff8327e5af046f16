package httpserver

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// busyDoor is a server that reads the body of /wait and /read alone. It answers /wait when it is told, all else at once.
type busyDoor struct {
	*Server
	answered atomic.Int32
	entered  chan struct{}
	release  chan struct{}
}

func newBusyDoor(t *testing.T) *busyDoor {
	t.Helper()
	d := &busyDoor{entered: make(chan struct{}, 10*maxConnections), release: make(chan struct{})}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			_, _ = io.Copy(io.Discard, r.Body)
			d.entered <- struct{}{}
			<-d.release
		case "/read":
			d.entered <- struct{}{}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
		d.answered.Add(1)
	})
	settings := Settings{Name: "busy door", Listen: "127.0.0.1:0", ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience,
		MaxConnections: maxConnections}
	var err error
	d.Server, err = New(settings, handler, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	d.http.ReadHeaderTimeout = 2 * patience // which closes none before the test sees it open
	start(t, d.Server)
	return d
}

// send opens a connection and sends a text on it.
func (d *busyDoor) send(t *testing.T, text string) net.Conn {
	t.Helper()
	connection := dial(t, d.Server)
	_, err := io.WriteString(connection, text)
	require.NoError(t, err)
	return connection
}

// fill opens as many connections as there may be, each when the one before waits for this.
func (d *busyDoor) fill(t *testing.T, waits waiting, open func() net.Conn) (all []net.Conn) {
	t.Helper()
	for len(all) < maxConnections {
		all = append(all, open())
		require.Eventually(t, func() bool { return d.count(waits) == len(all) }, patience, time.Millisecond)
	}
	return all
}

func (d *busyDoor) count(waits waiting) int {
	d.connections.mu.Lock()
	defer d.connections.mu.Unlock()
	counted := 0
	for connection := range d.connections.open {
		if connection.waits == waits {
			counted++
		}
	}
	return counted
}

func (d *busyDoor) countOpen() int {
	return d.count(forRequest) + d.count(forClient) + d.count(forHandler)
}

// requireFresh asks on a new connection, and wants the answer before any time-out could have made room.
func (d *busyDoor) requireFresh(t *testing.T) net.Conn {
	t.Helper()
	began, fresh := time.Now(), dial(t, d.Server)
	require.Equal(t, http.StatusOK, ask(t, fresh))
	require.Less(t, time.Since(began), readHeaderTimeout-time.Second)
	require.LessOrEqual(t, d.countOpen(), maxConnections)
	return fresh
}

const (
	waits    = "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"
	halfHead = "GET / HTTP/1.1\r\nHost: localhost\r\n"
	withBody = "\r\nContent-Length: 5\r\n\r\n"
	reads    = "POST /read HTTP/1.1\r\nHost: localhost" + withBody
)

func TestNewConnectionTakesThePlaceOfTheOneIdleLongest(t *testing.T) {
	d := newBusyDoor(t)
	idle := d.fill(t, forRequest, func() net.Conn {
		connection := dial(t, d.Server)
		require.Equal(t, http.StatusOK, ask(t, connection))
		return connection
	})
	require.Equal(t, http.StatusOK, ask(t, idle[0]))
	for _, longest := range []net.Conn{idle[1], idle[2]} {
		d.requireFresh(t)
		requireClosed(t, longest)
	}
	require.Equal(t, http.StatusOK, ask(t, idle[3]))
	require.Equal(t, http.StatusOK, ask(t, idle[0]), "it was used last")
}

func TestConnectionThatHasNotSentAWholeHeadGivesWay(t *testing.T) {
	d := newBusyDoor(t)
	texts := []string{"", "G", halfHead}
	half := d.fill(t, forRequest, func() net.Conn { return d.send(t, texts[d.countOpen()%len(texts)]) })
	for _, longest := range half {
		d.requireFresh(t)
		requireClosed(t, longest)
	}
}

func TestRequestThatIsAnsweredNeverGivesWay(t *testing.T) {
	d := newBusyDoor(t)
	answered := d.send(t, waits)
	<-d.entered
	for range 3 * maxConnections {
		d.requireFresh(t)
	}
	close(d.release)
	requireStatus(t, answered, http.StatusOK)
}

func TestNewConnectionWaitsWhileAllRequestsAreAnswered(t *testing.T) {
	d := newBusyDoor(t)
	var busy []net.Conn
	for range maxConnections {
		busy = append(busy, d.send(t, waits))
		<-d.entered
	}
	fresh := d.send(t, halfHead+"\r\n")
	require.NoError(t, fresh.SetReadDeadline(time.Now().Add(clientPatience+100*time.Millisecond)))
	_, err := fresh.Read(make([]byte, 1))
	require.ErrorContains(t, err, "i/o timeout")
	d.release <- struct{}{}
	require.NoError(t, fresh.SetReadDeadline(time.Now().Add(patience)))
	requireStatus(t, fresh, http.StatusOK)
	close(d.release)
	for _, connection := range busy[1:] {
		_ = connection.Close()
	}
}

func TestNewConnectionTakesThePlaceOfARequestWhoseSenderIsSlow(t *testing.T) {
	for name, text := range map[string]string{
		"the body is read":               reads,
		"the body is left, and answered": "GET / HTTP/1.1\r\nHost: localhost" + withBody,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newBusyDoor(t)
			began := time.Now()
			slow := d.fill(t, forClient, func() net.Conn { return d.send(t, text) })
			d.requireFresh(t)
			require.GreaterOrEqual(t, time.Since(began), clientPatience)
			requireClosed(t, slow[0])
			require.Equal(t, maxConnections, d.countOpen(), "one is enough")
		})
	}
}

func TestNewConnectionTakesThePlaceOfAClientThatReadsNoAnswer(t *testing.T) {
	answer := bytes.Repeat([]byte("x"), 1<<10)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	settings := Settings{Name: "test door", Listen: "127.0.0.1:0", WriteTimeout: time.Minute, MaxConnections: 1}
	s, err := New(settings, handler, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	start(t, s)
	deaf := dial(t, s)
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() {
		requests := bytes.Repeat([]byte(halfHead+"\r\n"), 1000)
		for err := error(nil); err == nil; {
			_, err = deaf.Write(requests)
		}
	})
	require.Eventually(t, func() bool {
		s.connections.mu.Lock()
		defer s.connections.mu.Unlock()
		for connection := range s.connections.open {
			return connection.waits == forClient && time.Since(connection.since) > clientPatience/2
		}
		return false
	}, patience, time.Millisecond)
	require.Equal(t, http.StatusOK, ask(t, dial(t, s)))
	requireClosed(t, deaf)
}

func TestNewConnectionLeavesASlowBodyAloneWhereOneIsIdle(t *testing.T) {
	d := newBusyDoor(t)
	slow := d.send(t, reads)
	<-d.entered
	time.Sleep(clientPatience)
	for range 2 * maxConnections {
		d.requireFresh(t)
	}
	_, err := io.WriteString(slow, "12345")
	require.NoError(t, err)
	requireStatus(t, slow, http.StatusOK)
}

func TestBodyThatIsWholeIsAnsweredAndNeverGivesWay(t *testing.T) {
	d := newBusyDoor(t)
	for range maxConnections - 1 {
		d.send(t, waits)
		<-d.entered
	}
	whole := d.send(t, "POST /wait HTTP/1.1\r\nHost: localhost"+withBody+"12345")
	<-d.entered
	fresh := d.send(t, halfHead+"\r\n")
	time.Sleep(clientPatience + 100*time.Millisecond)
	require.Equal(t, maxConnections, d.countOpen())
	close(d.release)
	requireStatus(t, whole, http.StatusOK)
	requireStatus(t, fresh, http.StatusOK)
}

func TestRequestWhoseConnectionGaveWayIsNotDone(t *testing.T) {
	d := newBusyDoor(t)
	connection := &connection{TCPConn: dial(t, d.Server).(*net.TCPConn), among: newConnections(nil, 1)}
	connection.giveWay()
	ctx := context.WithValue(t.Context(), connectionKey{}, connection)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", http.NoBody)
	require.NoError(t, err)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { d.http.Handler.ServeHTTP(nil, request) })
	require.Zero(t, d.answered.Load())

	whole := &body{io.NopCloser(http.NoBody), connection}
	_, err = io.ReadAll(whole)
	require.ErrorIs(t, err, net.ErrClosed, "the end of a body that nobody is told the fate of")
}

func TestNothingIsKeptOfConnectionsThatClosed(t *testing.T) {
	d := newBusyDoor(t)
	for _, text := range []string{"", halfHead, "bad\r\n\r\n", halfHead + "\r\n", halfHead + "Connection: close\r\n\r\n", reads} {
		for range 3 * maxConnections {
			require.NoError(t, d.send(t, text).Close())
		}
		require.Eventually(t, func() bool { return d.countOpen() == 0 }, patience, time.Millisecond, "%q", text)
	}
}

func TestCloseEndsTheWaitForRoom(t *testing.T) {
	d := newBusyDoor(t)
	for range maxConnections {
		d.send(t, waits)
		<-d.entered
	}
	waiting := d.send(t, halfHead+"\r\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	defer close(d.release)
	require.NoError(t, d.Close(ctx))
	requireClosed(t, waiting)
}

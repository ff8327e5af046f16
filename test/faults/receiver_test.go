package faults

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// refusing is a URL where nothing listens: port 1 is tcpmux, which only root could open.
const refusing = "http://127.0.0.1:1/"

// misbehave is what a broken receiver does after the request, until it closes the connection or the other side does.
type misbehave func(context.Context, *net.TCPConn)

func newBrokenReceiver(t *testing.T, misbehave misbehave) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer connection.Close()
				stop := context.AfterFunc(t.Context(), func() { connection.Close() })
				defer stop()
				if readRequest(connection) == nil {
					misbehave(t.Context(), connection.(*net.TCPConn))
				}
			})
		}
	})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		serving.Wait()
	})
	return "http://" + listener.Addr().String() + "/"
}

func readRequest(connection net.Conn) error {
	request, err := http.ReadRequest(bufio.NewReader(connection))
	if err == nil {
		_, err = io.Copy(io.Discard, request.Body)
	}
	return err
}

func neverAnswer(_ context.Context, connection *net.TCPConn) {
	_, _ = io.Copy(io.Discard, connection)
}

// trickle answers with this text at once, and then with a byte a second.
func trickle(text string) misbehave {
	return func(ctx context.Context, connection *net.TCPConn) {
		_, err := io.WriteString(connection, text)
		for err == nil {
			select {
			case <-time.After(time.Second):
				_, err = connection.Write([]byte("a"))
			case <-ctx.Done():
				return
			}
		}
	}
}

func answerWithoutEnd(_ context.Context, connection *net.TCPConn) {
	_, err := io.WriteString(connection, "HTTP/1.1 200 OK\r\n\r\n")
	for chunk := strings.Repeat("a", 32<<10); err == nil; {
		_, err = io.WriteString(connection, chunk)
	}
}

func reset(_ context.Context, connection *net.TCPConn) {
	_ = connection.SetLinger(0)
}

// newMisnamedReceiver is a TLS server at a name that its certificate does not have.
func newMisnamedReceiver(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

package httpclient

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Conn is the server's side of one HTTP/2 connection, of which a script says every frame.
type http2Conn struct {
	*http2.Framer
	conn     net.Conn
	taken    atomic.Int64  // bytes that the client's side has taken
	requests *atomic.Int32 // that were read whole; nil: nobody counts them
}

// serveHTTP2 runs the script with every connection, after the client's preface and its SETTINGS, and then closes it.
func serveHTTP2(t *testing.T, settings []http2.Setting, script func(*http2Conn)) *Client {
	t.Helper()
	ca := newAuthority(t)
	secured := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "receiver.example").pair(t)}, NextProtos: []string{"h2"}}
	url := listenAtOnce(t, func(conn net.Conn) {
		c := &http2Conn{conn: tls.Server(conn, secured)}
		c.Framer = http2.NewFramer(countedWriter{c}, c.conn)
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c.conn, preface); err != nil || !bytes.Equal(preface, []byte(http2.ClientPreface)) {
			return
		}
		if c.WriteSettings(settings...) == nil {
			script(c)
		}
		_ = c.conn.Close()
	})
	endpoint := endpointAt("https" + url[len("http"):])
	endpoint.TLS.CAFile = writeNew(t, ca.pem())
	return newClient(t, endpoint)
}

type countedWriter struct{ of *http2Conn }

func (w countedWriter) Write(bytes []byte) (int, error) {
	written, err := w.of.conn.Write(bytes)
	w.of.taken.Add(int64(written))
	return written, err
}

// next is the stream of the next request that is whole; 0 where the client closed the connection.
func (c *http2Conn) next() (stream uint32) {
	for {
		frame, err := c.frame()
		if err != nil {
			return 0
		}
		ended := false
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			ended = frame.StreamEnded()
			_ = c.WriteWindowUpdate(0, max(frame.Length, 1))
			_ = c.WriteWindowUpdate(frame.StreamID, max(frame.Length, 1))
		}
		if ended {
			if c.requests != nil {
				c.requests.Add(1)
			}
			return frame.Header().StreamID
		}
	}
}

// nextHeaders is the stream of the next request, of which the headers are there.
func (c *http2Conn) nextHeaders() (stream uint32) {
	for {
		frame, err := c.frame()
		if err != nil {
			return 0
		}
		if headers, ok := frame.(*http2.HeadersFrame); ok {
			return headers.StreamID
		}
	}
}

// frame is the next one; SETTINGS and PING get their answers.
func (c *http2Conn) frame() (http2.Frame, error) {
	frame, err := c.ReadFrame()
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			_ = c.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			_ = c.WritePing(true, frame.Data)
		}
	}
	return frame, err
}

// answer writes an answer's headers.
func (c *http2Conn) answer(stream uint32, status string, ends bool) error {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	return c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: ends,
	})
}

// untilClosed reads what comes until the client closes the connection.
func (c *http2Conn) untilClosed() {
	for {
		if _, err := c.frame(); err != nil {
			return
		}
	}
}

// listenAtOnce calls handle with every connection that comes, all at once.
func listenAtOnce(t *testing.T, handle func(net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() { handle(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		handlers.Wait()
	})
	return "http://" + listener.Addr().String()
}

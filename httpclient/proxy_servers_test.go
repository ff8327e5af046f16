package httpclient

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// tunnels is a proxy that tells what it was asked for, and who asked.
type tunnels struct {
	mutex  sync.Mutex
	asked  []string
	answer string // in place of a tunnel; "": it makes one
}

func (p *tunnels) note(what string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.asked = append(p.asked, what)
}

func (p *tunnels) all() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.asked
}

// ServeHTTP is a proxy for CONNECT (RFC 9110 §9.3.6).
func (p *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.note(r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization"))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if p.answer != "" {
		_, _ = io.WriteString(conn, p.answer)
		return
	}
	target, err := net.Dial("tcp", r.Host)
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	splice(conn, target)
}

// serveSOCKS takes connections by SOCKS 5 (RFC 1928), with a user name and a password (RFC 1929).
func (p *tunnels) serveSOCKS(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	over := make(chan struct{})
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { _ = p.socks(conn) })
			served.Go(func() {
				<-over
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		close(over)
		served.Wait()
	})
	return listener.Addr().String()
}

func (p *tunnels) socks(conn net.Conn) error {
	reader := bufio.NewReader(conn)
	if _, err := readSized(reader, 1); err != nil { // methods
		return err
	}
	_, _ = conn.Write([]byte{5, 2})
	user, err := readSized(reader, 1)
	if err != nil {
		return err
	}
	password, err := readSized(reader, 0)
	if err != nil {
		return err
	}
	_, _ = conn.Write([]byte{1, 0})
	header := make([]byte, 4)
	if _, err := io.ReadFull(reader, header); err != nil {
		return err
	}
	host, err := readSOCKSHost(reader, header[3])
	if err != nil {
		return err
	}
	port := make([]byte, 2)
	if _, err := io.ReadFull(reader, port); err != nil {
		return err
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port))))
	p.note(string(user) + ":" + string(password) + " " + address)
	target, err := net.Dial("tcp", address)
	if err != nil {
		_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return err
	}
	_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	splice(conn, target)
	return nil
}

func readSOCKSHost(reader io.Reader, kind byte) (string, error) {
	switch kind {
	case 1:
		address := make([]byte, 4)
		_, err := io.ReadFull(reader, address)
		return net.IP(address).String(), err
	case 3:
		name, err := readSized(reader, 0)
		return string(name), err
	}
	return "", errors.New("no address that this proxy knows")
}

// readSized reads what its first byte, after those to skip, says the length of.
func readSized(reader io.Reader, skip int) ([]byte, error) {
	head := make([]byte, skip+1)
	if _, err := io.ReadFull(reader, head); err != nil {
		return nil, err
	}
	text := make([]byte, head[skip])
	_, err := io.ReadFull(reader, text)
	return text, err
}

// splice carries bytes both ways until either side closes.
func splice(one, other net.Conn) {
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{one, other}, {other, one}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	ways.Wait()
}

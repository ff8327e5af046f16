package network

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// progress is how far a request came. net/http tells it, from goroutines of its own.
type progress struct {
	begun     atomic.Bool // a connection was asked for
	secured   atomic.Bool // TLS with the server was begun, after what a proxy had to say
	certified atomic.Bool // the server asked for a certificate of ours
	sent      atomic.Bool // the request was given to a connection
	answered  atomic.Bool // the first byte of an answer came

	mutex    sync.Mutex
	conn     *conn // that got the request; nil: none did
	reused   bool  // the connection served another request before
	resent   bool  // net/http sent it again by itself, since an HTTP/2 server refused it
	http2    bool
	begin    int  // the number of the connection's writes before the request
	headers  bool // net/http wrote the headers
	whole    bool // net/http wrote all of it
	complete int  // the number of the connection's writes when it had
}

func (p *progress) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			p.begun.Store(true)
			p.sent.Store(false) // asked a second time, net/http knows that the first connection took nothing
		},
		TLSHandshakeStart:    func() { p.secured.Store(true) },
		GotConn:              p.gotConn,
		WroteHeaders:         p.wroteHeaders,
		WroteRequest:         p.wroteRequest,
		GotFirstResponseByte: func() { p.answered.Store(true) },
	})
}

func (p *progress) gotConn(info httptrace.GotConnInfo) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.resent = p.sent.Swap(true)
	p.conn, p.reused, p.headers, p.whole = connBelow(info.Conn), info.Reused, false, false
	p.begin = p.conn.written()
	p.conn.expectAnswer()
	secured, ok := info.Conn.(*tls.Conn)
	p.http2 = ok && secured.ConnectionState().NegotiatedProtocol == "h2"
}

func (p *progress) wroteHeaders() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.headers = true
}

func (p *progress) wroteRequest(info httptrace.WroteRequestInfo) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.whole, p.complete = info.Err == nil, p.conn.written()
	if !p.http2 {
		p.complete++ // net/http tells it before it writes the last buffer
	}
}

// tookAll tells whether the server may have taken the whole request.
func (p *progress) tookAll() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.whole && p.conn.mayHaveTaken(p.complete)
}

// tookNothing tells whether the server has taken nothing of the request for sure.
func (p *progress) tookNothing() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.conn.written() == p.begin || !p.conn.mayHaveTaken(p.begin+1)
}

func (p *progress) wasReused() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.reused
}

func (p *progress) wasResent() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.resent
}

// waitedForStream tells whether the connection had no HTTP/2 stream for the request (RFC 9113 §5.1.2).
func (p *progress) waitedForStream() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.http2 && !p.headers
}

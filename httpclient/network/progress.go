package network

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// progress is how far a request came. net/http tells it, from goroutines of its own.
type progress struct {
	begun     atomic.Bool // a connection was asked for
	secured   atomic.Bool // TLS with the server was begun, after what a proxy had to say
	certified atomic.Bool // the server asked for a certificate of ours
	sent      atomic.Bool // the request was given to a connection
	answered  atomic.Bool // the first byte of an answer came
}

func (p *progress) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			p.begun.Store(true)
			p.sent.Store(false) // asked a second time, net/http knows that the first connection took nothing
		},
		TLSHandshakeStart:    func() { p.secured.Store(true) },
		GotConn:              func(httptrace.GotConnInfo) { p.sent.Store(true) },
		GotFirstResponseByte: func() { p.answered.Store(true) },
	})
}

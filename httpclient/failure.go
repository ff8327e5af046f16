package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/fluxmq/webhookd/messages"
)

// maxErrorBytes bounds the text of an error in which a certificate or a proxy has a say.
const maxErrorBytes = 300

var errProxyAnswer = errors.New("the proxy broke off, or its answer is not valid HTTP")

// progress is how far an attempt came. net/http tells it, from goroutines of its own.
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

// failure says what it means that err came instead of an answer. callerErr is the error of the caller's context, and
// ended tells that the attempt's own is done.
func failure(err error, p *progress, callerErr error, ended bool) messages.Outcome {
	sent := p.sent.Load()
	var denied *DeniedError
	switch {
	case callerErr != nil:
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: fmt.Errorf("the attempt was cut short: %w", callerErr), Sent: sent}
	case errors.As(err, &denied):
		return messages.Outcome{Kind: messages.OutcomeRejected, Err: denied}
	case ended && sent:
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: fmt.Errorf("no answer within timeout: %w", context.DeadlineExceeded), Sent: true}
	case ended:
		return messages.Outcome{Kind: messages.OutcomeAway, Err: fmt.Errorf("no connection within timeout: %w", context.DeadlineExceeded)}
	case sent && !p.answered.Load() && (isHandshakeAlert(err) || isUnestablished(err)):
		return messages.Outcome{Kind: messages.OutcomeAway, Err: connectError(err, p)}
	case sent:
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: brokenError(err, p.answered.Load()), Sent: true}
	case p.begun.Load():
		return messages.Outcome{Kind: messages.OutcomeAway, Err: connectError(err, p)}
	}
	return messages.Outcome{Kind: messages.OutcomeRejected, Err: fmt.Errorf("build the request: %w", err)}
}

// brokenError leaves out the text of errors about the answer: they quote it, and an answer may quote the request.
func brokenError(err error, answered bool) error {
	var network *net.OpError
	switch {
	case errors.As(err, &network):
		return fmt.Errorf("the connection broke: %w", network)
	case answered:
		return fmt.Errorf("the answer breaks off, is not valid HTTP, or has headers of over %d bytes", maxHeaderBytes)
	}
	return errors.New("the connection was closed before an answer came")
}

// connectError leaves out the text of what a proxy answered and is no HTTP: the error quotes it, and it may repeat the
// credentials.
func connectError(err error, p *progress) error {
	var network net.Error
	var refusal proxyRefusal
	var untrusted *tls.CertificateVerificationError
	switch known := errors.As(err, &network) || errors.As(err, &refusal) || errors.As(err, &untrusted); {
	case !known && !p.secured.Load():
		return errProxyAnswer
	case p.secured.Load() && p.certified.Load() && untrusted == nil:
		return &uncertifiedError{shorten(err)}
	}
	return shorten(err)
}

// shortError is an error of which only the beginning is shown.
type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }
func (e *shortError) Unwrap() error { return e.err }

func shorten(err error) error {
	if text := err.Error(); len(text) > maxErrorBytes {
		return &shortError{text[:maxErrorBytes] + "…", err}
	}
	return err
}

package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"golang.org/x/net/http2"
)

// maxErrorBytes bounds the text of an error in which a certificate or a proxy has a say.
const maxErrorBytes = 300

// Stage is how far a request came that got no answer.
type Stage int

// Stages, in the order of a request's way.
const (
	StageUnsendable  Stage = iota // no connection was asked for: the request can't be sent as it is
	StageUnconnected              // no connection came about that could take it
	StageUnprocessed              // a connection was given it, and the server surely did nothing with it
	StageUntaken                  // a connection was given it, and broke before the server had taken all of it
	StageSent                     // the server may have taken it
)

// Error is why a request got no answer. It shows nothing of the request, and nothing of what an endpoint or a proxy said
// that may repeat it.
type Error struct {
	Stage Stage
	Err   error
}

// Error is the text of Err.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e *Error) Unwrap() error { return e.Err }

var (
	errProxyAnswer = errors.New("the proxy broke off, or its answer is not valid HTTP")
	errRefused     = errors.New("the endpoint refused the request before it looked at it")
	errNoStream    = errors.New("the endpoint permitted no HTTP/2 stream within timeout")
)

// newError says what it means that err came instead of an answer; ended tells that the request's time was over.
func newError(err error, p *progress, ended bool) *Error {
	var denied *DeniedError
	switch sent := p.sent.Load(); {
	case errors.As(err, &denied):
		return &Error{StageUnconnected, denied}
	case ended:
		return timeoutError(p)
	case !sent && p.begun.Load():
		return unconnectedError(err, p)
	case sent && !p.answered.Load():
		return unansweredError(err, p)
	case sent:
		return &Error{StageSent, brokenError(err, true)}
	}
	return &Error{StageUnsendable, fmt.Errorf("build the request: %w", err)}
}

func unconnectedError(err error, p *progress) *Error {
	if short := shortageError(err); short != nil {
		return &Error{StageUnconnected, short}
	}
	return &Error{StageUnconnected, connectError(err, p)}
}

func timeoutError(p *progress) *Error {
	noAnswer := fmt.Errorf("no answer within timeout: %w", context.DeadlineExceeded)
	switch {
	case !p.sent.Load():
		return &Error{StageUnconnected, fmt.Errorf("no connection within timeout: %w", context.DeadlineExceeded)}
	case p.waitedForStream():
		return &Error{StageUnprocessed, errNoStream}
	case p.wasResent():
		return &Error{StageUntaken, noAnswer}
	}
	return &Error{StageSent, noAnswer}
}

func unansweredError(err error, p *progress) *Error {
	switch {
	case isHandshakeAlert(err), isUnestablished(err):
		return &Error{StageUnconnected, connectError(err, p)}
	case isRefusal(err):
		return &Error{StageUnprocessed, errRefused}
	}
	broken := brokenError(err, false)
	switch {
	case p.tookAll() && !isConnReset(err):
		return &Error{StageSent, broken}
	case p.tookAll():
		return &Error{StageUntaken, broken}
	case p.wasReused():
		return &Error{StageUnprocessed, broken}
	case p.tookNothing():
		return &Error{StageUnconnected, broken}
	}
	return &Error{StageUntaken, broken}
}

// isConnReset tells whether the other side closed the connection without having read all that came, or took away what stood
// behind it: a program that fails at a request that it has read closes it in order (RFC 9293 §3.10.4).
func isConnReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isRefusal tells whether an HTTP/2 server says that it did nothing with the request: RFC 9113 §8.7. For most of it net/http
// has no value.
func isRefusal(err error) bool {
	var stream http2.StreamError
	if errors.As(err, &stream) {
		return stream.Code == http2.ErrCodeRefusedStream
	}
	text := err.Error()
	return strings.HasPrefix(text, "http2: Transport received GOAWAY from server") ||
		strings.HasPrefix(text, "http2: Transport received Server's graceful shutdown GOAWAY") ||
		strings.HasPrefix(text, "http2: Transport: cannot retry err [") && !strings.Contains(text, "PROTOCOL_ERROR")
}

// brokenError leaves out the text of errors about the answer: they quote it, and an answer may quote the request.
func brokenError(err error, answered bool) error {
	var network *net.OpError
	switch {
	case errors.Is(err, errTalkative):
		return errTalkative
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

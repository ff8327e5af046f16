package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// maxErrorBytes bounds the text of an error in which a certificate or a proxy has a say.
const maxErrorBytes = 300

// Stage is how far a request came that got no answer.
type Stage int

// Stages, in the order of a request's way.
const (
	StageUnsendable  Stage = iota // no connection was asked for: the request can't be sent as it is
	StageUnconnected              // no connection came about that could take it
	StageSent                     // it was given to a connection: the server may have got it
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

var errProxyAnswer = errors.New("the proxy broke off, or its answer is not valid HTTP")

// newError says what it means that err came instead of an answer; ended tells that the request's time was over.
func newError(err error, p *progress, ended bool) *Error {
	sent := p.sent.Load()
	var denied *DeniedError
	switch {
	case errors.As(err, &denied):
		return &Error{StageUnconnected, denied}
	case ended && sent:
		return &Error{StageSent, fmt.Errorf("no answer within timeout: %w", context.DeadlineExceeded)}
	case ended:
		return &Error{StageUnconnected, fmt.Errorf("no connection within timeout: %w", context.DeadlineExceeded)}
	case sent && !p.answered.Load() && (isHandshakeAlert(err) || isUnestablished(err)):
		return &Error{StageUnconnected, connectError(err, p)}
	case sent:
		return &Error{StageSent, brokenError(err, p.answered.Load())}
	case p.begun.Load():
		return &Error{StageUnconnected, connectError(err, p)}
	}
	return &Error{StageUnsendable, fmt.Errorf("build the request: %w", err)}
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

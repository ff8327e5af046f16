package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fluxmq/webhookd/messages"
)

// reading takes the events of a body into a batch.
type reading func(*batch, []byte) error

var readings = map[string]reading{
	"application/json":        (*batch).readJSON,
	"application/x-ndjson":    (*batch).readLines,
	"application/jsonl":       (*batch).readLines,
	"application/x-jsonlines": (*batch).readLines,
}

const (
	// What an event takes beside the bytes that it came in: the envelope, its id and its place in the batch; and for each
	// of its JSON objects what a user property takes, the growth of their list included.
	envelopeBytes = 512
	objectBytes   = 64
	maxObjects    = messages.MaxUserProperties + 2 // of an event: with more it is refused before it is unfolded

	jsonSpace = " \t\r\n"
)

// readEvents reads the events of a body, and stops at the first that is bad, or one too many. Before it unfolds one it
// takes the bytes for it. Its error is a *refusal, or that of take.
func readEvents(body []byte, read reading, maxEvents int, take func(int64) error) ([]*messages.Envelope, error) {
	b := batch{maxEvents: maxEvents, take: take, items: make(map[string]int)}
	if err := read(&b, body); err != nil {
		return nil, err
	}
	if len(b.envelopes) == 0 {
		return nil, badBody("the body holds no event")
	}
	return b.envelopes, nil
}

// batch is the events of one body.
type batch struct {
	maxEvents int
	take      func(int64) error
	envelopes []*messages.Envelope
	items     map[string]int // which item has an event_id
}

// readJSON reads an object, or an array of objects one by one.
func (b *batch) readJSON(body []byte) error {
	body = bytes.TrimLeft(body, jsonSpace)
	if len(body) == 0 {
		return nil
	}
	if body[0] != '[' {
		rest, err := b.addNext(body)
		if err != nil {
			return err
		}
		return expectEnd(rest, "more follows the event: several go into an array, or are sent as application/x-ndjson")
	}
	rest, err := b.addArray(body)
	if err != nil {
		return err
	}
	return expectEnd(rest, "more follows the array")
}

// addArray returns what follows the array.
func (b *batch) addArray(array []byte) (rest []byte, err error) {
	rest = bytes.TrimLeft(array[1:], jsonSpace)
	if len(rest) > 0 && rest[0] == ']' {
		return rest[1:], nil
	}
	for {
		if rest, err = b.addNext(rest); err != nil {
			return nil, err
		}
		rest = bytes.TrimLeft(rest, jsonSpace)
		switch {
		case len(rest) == 0:
			return nil, errCutOff
		case rest[0] == ']':
			return rest[1:], nil
		case rest[0] != ',':
			return nil, b.refuseItem(fmt.Errorf("is no JSON: invalid character %q after array element", rest[0]))
		}
		rest = rest[1:]
	}
}

var errCutOff = badBody("the body ends too early")

// addNext takes the next item in, and returns what follows it.
func (b *batch) addNext(body []byte) (rest []byte, err error) {
	text, rest, _ := messages.CutJSON(body)
	err = b.add(text)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCutOff
	}
	return rest, err
}

// expectEnd wants nothing but space.
func expectEnd(rest []byte, problem string) error {
	if len(bytes.TrimLeft(rest, jsonSpace)) > 0 {
		return badBody(problem)
	}
	return nil
}

// readLines reads an object a line, and passes over blank lines.
func (b *batch) readLines(body []byte) error {
	for line, more := 1, true; more; line++ {
		var text []byte
		text, body, more = bytes.Cut(body, []byte("\n"))
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if err := b.add(text); err != nil {
				return atLine(err, line)
			}
		}
	}
	return nil
}

// add takes the next item in.
func (b *batch) add(text []byte) error {
	if len(b.envelopes) == b.maxEvents {
		return tooLarge(fmt.Sprintf("the body holds more than %d events", b.maxEvents))
	}
	if err := b.take(unfoldedBytes(text)); err != nil {
		return err
	}
	envelope, err := messages.ParseEnvelope(text)
	if err != nil {
		return b.refuseItem(err)
	}
	if envelope.ID != "" {
		if same, ok := b.items[envelope.ID]; ok {
			return b.refuseItem(&messages.FieldError{Field: "event_id", Problem: fmt.Sprintf("is that of item %d too", same)})
		}
		b.items[envelope.ID] = len(b.envelopes) + 1
	}
	b.envelopes = append(b.envelopes, envelope)
	return nil
}

// unfoldedBytes bounds what reading the event takes, from above.
func unfoldedBytes(text []byte) int64 {
	objects := min(bytes.Count(text, []byte("{")), maxObjects)
	return int64(envelopeBytes + len(text) + objectBytes*objects)
}

func (b *batch) refuseItem(err error) *refusal {
	refused := &refusal{status: http.StatusBadRequest, Item: len(b.envelopes) + 1, Problem: err.Error(), cause: err}
	var field *messages.FieldError
	if errors.As(err, &field) {
		refused.Field, refused.Problem = field.Field, field.Problem
	}
	return refused
}

func atLine(err error, line int) error {
	var refused *refusal
	if errors.As(err, &refused) && refused.Item > 0 {
		refused.Line = line
	}
	return err
}

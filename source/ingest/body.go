package ingest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fluxmq/webhookd/messages"
)

// reading takes the events of a body into a batch.
type reading func(*batch, *bufio.Reader) error

var readings = map[string]reading{
	"application/json":        (*batch).readJSON,
	"application/x-ndjson":    (*batch).readLines,
	"application/jsonl":       (*batch).readLines,
	"application/x-jsonlines": (*batch).readLines,
}

// readEvents reads the events of a body, and stops at the first that is bad, or one too many. Its error is a *refusal,
// or that of the body's reader.
func readEvents(body io.Reader, read reading, maxEvents int) ([]*messages.Envelope, error) {
	b := batch{maxEvents: maxEvents, items: make(map[string]int)}
	if err := read(&b, bufio.NewReader(body)); err != nil {
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
	envelopes []*messages.Envelope
	items     map[string]int // which item has an event_id
}

// readJSON reads an object, or an array of objects one by one.
func (b *batch) readJSON(body *bufio.Reader) error {
	first, err := peekPastSpace(body)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(body)
	if first != '[' {
		if err := b.addNext(decoder); err != nil {
			return err
		}
		return expectEnd(decoder, body, "more follows the event: several go into an array, or are sent as application/x-ndjson")
	}
	if err := b.addArray(decoder); err != nil {
		return err
	}
	return expectEnd(decoder, body, "more follows the array")
}

func peekPastSpace(body *bufio.Reader) (byte, error) {
	for {
		c, err := body.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, body.UnreadByte()
		}
	}
}

func (b *batch) addArray(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return b.refuseSyntax(err)
	}
	for decoder.More() {
		if err := b.addNext(decoder); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return b.refuseSyntax(err)
	}
	return nil
}

func (b *batch) addNext(decoder *json.Decoder) error {
	var text json.RawMessage
	if err := decoder.Decode(&text); err != nil {
		return b.refuseSyntax(err)
	}
	return b.add(text)
}

// expectEnd wants nothing but space after what the decoder read.
func expectEnd(decoder *json.Decoder, body io.Reader, problem string) error {
	_, err := peekPastSpace(bufio.NewReader(io.MultiReader(decoder.Buffered(), body)))
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return badBody(problem)
	}
	return err
}

// readLines reads an object a line, and passes over blank lines.
func (b *batch) readLines(body *bufio.Reader) error {
	for line := 1; ; line++ {
		text, err := body.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if err := b.add(text); err != nil {
				return atLine(err, line)
			}
		}
		if last {
			return nil
		}
	}
}

// add takes the next item in.
func (b *batch) add(text []byte) error {
	if len(b.envelopes) == b.maxEvents {
		return tooLarge(fmt.Sprintf("the body holds more than %d events", b.maxEvents))
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

// refuseSyntax tells a body that is no JSON from one that can't be read.
func (b *batch) refuseSyntax(err error) error {
	switch {
	case errors.As(err, new(*json.SyntaxError)):
		return b.refuseItem(fmt.Errorf("is no JSON: %w", err))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBody("the body ends too early")
	}
	return err
}

func (b *batch) refuseItem(err error) *refusal {
	refused := &refusal{status: http.StatusBadRequest, Item: len(b.envelopes) + 1, Problem: err.Error()}
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

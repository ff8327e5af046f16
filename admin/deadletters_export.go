package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/store"
)

// exportPage is how many dead letters are found together; their events are read one by one.
const exportPage = 500

// errUnwritten is why an export ends whose reader has left, or takes nothing.
var errUnwritten = errors.New("the reader of the export takes nothing")

// export answers POST /v1/dead-letters/export: a line of JSON for each dead letter, with its event. It goes on for as long
// as its reader takes what there is.
func (d deadLetters) export(w http.ResponseWriter, r *http.Request) *refusal {
	choice, refused := readChoice(w, r)
	if refused != nil {
		return refused
	}
	query := store.DeadLetterQuery{DeadLetterFilter: choice.DeadLetterFilter, Limit: exportPage}
	if now := time.Now(); query.Until.IsZero() || now.Before(query.Until) {
		query.Until = now // so that it ends, however many come
	}
	e := export{deadLetters: d, w: w, connection: http.NewResponseController(w)}
	for {
		page, err := e.page(r.Context(), query)
		if err != nil {
			return e.fail(err)
		}
		if page.Next == "" {
			break
		}
		if query.After, err = uuid.Parse(page.Next); err != nil {
			return e.fail(err)
		}
	}
	e.begin()
	return nil
}

// export is an answer under way.
type export struct {
	deadLetters
	w          http.ResponseWriter
	connection *http.ResponseController
	begun      bool
}

// page writes the letters of one page.
func (e *export) page(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	page, err := e.list(ctx, query)
	if err != nil {
		return page, err
	}
	for _, letter := range page.Letters {
		whole, err := e.find(ctx, letter.ID)
		if errors.Is(err, store.ErrNoDeadLetter) { // it went meanwhile
			continue
		}
		if err != nil {
			return page, err
		}
		if err := e.write(whole); err != nil {
			return page, err
		}
	}
	return page, nil
}

func (e *export) list(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	ctx, cancel := context.WithTimeout(ctx, readingTimeout)
	defer cancel()
	e.extend()
	return e.router.ListDeadLetters(ctx, query)
}

func (e *export) find(ctx context.Context, id uuid.UUID) (*store.DeadLetterRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, readingTimeout)
	defer cancel()
	e.extend()
	return e.router.DeadLetter(ctx, id)
}

func (e *export) write(letter *store.DeadLetterRecord) error {
	e.begin()
	encoder := json.NewEncoder(e.w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(letter); err != nil {
		return errors.Join(errUnwritten, err)
	}
	return nil
}

// begin writes the head, once.
func (e *export) begin() {
	if e.begun {
		return
	}
	e.begun = true
	e.w.Header().Set("Content-Type", "application/x-ndjson")
	e.w.Header().Set("Cache-Control", "no-store") // it shows events
	e.w.WriteHeader(http.StatusOK)
}

// extend gives the next read and write their time.
func (e *export) extend() {
	end := time.Now().Add(answerTimeout)
	if err := errors.Join(e.connection.SetReadDeadline(end), e.connection.SetWriteDeadline(end)); err != nil && !e.begun {
		e.log.Warn("an export of dead letters may be cut off", "error", err)
	}
}

// fail refuses, or cuts off what has begun, so that nobody takes it for all.
func (e *export) fail(err error) *refusal {
	if errors.Is(err, errUnwritten) {
		panic(http.ErrAbortHandler)
	}
	refused := e.refuse(err, nil)
	if e.begun {
		panic(http.ErrAbortHandler)
	}
	return refused
}

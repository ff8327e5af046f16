package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
)

const (
	// readingTimeout bounds a look through the dead letters.
	readingTimeout = 2 * time.Minute
	answerTimeout  = readingTimeout + writeTimeout
	// replayTime is after how long a replay answers, though it is not at its end.
	replayTime = 30 * time.Second
)

// deadLetters is the dead letters' part of the API.
type deadLetters struct {
	router *router.Handle
	log    *slog.Logger
}

// list answers GET /v1/dead-letters.
func (d deadLetters) list(w http.ResponseWriter, r *http.Request) *refusal {
	query, refused := parseQuery(r.URL.RawQuery)
	if refused != nil {
		return refused
	}
	ctx, cancel := d.begin(w, r)
	defer cancel()
	page, err := d.router.ListDeadLetters(ctx, query)
	if err != nil {
		return d.refuse(err, nil)
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// show answers GET /v1/dead-letters/{id}.
func (d deadLetters) show(w http.ResponseWriter, r *http.Request) *refusal {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return badField("id", "is no UUID")
	}
	ctx, cancel := d.begin(w, r)
	defer cancel()
	letter, err := d.router.DeadLetter(ctx, id)
	if err != nil {
		return d.refuse(err, nil)
	}
	writeJSON(w, http.StatusOK, letter)
	return nil
}

// replay answers POST /v1/dead-letters/replay.
func (d deadLetters) replay(w http.ResponseWriter, r *http.Request) *refusal {
	choice, refused := readChoice(w, r, "dry_run", "per_second")
	if refused != nil {
		return refused
	}
	ctx, cancel := d.begin(w, r)
	defer cancel()
	options := store.ReplayOptions{DryRun: choice.dryRun, PerSecond: choice.perSecond, Most: replayTime}
	result, err := d.router.ReplayDeadLetters(ctx, choice.DeadLetterFilter, options)
	if result.Accepted > 0 || result.Left > 0 {
		d.log.Info("dead letters are replayed", "accepted", result.Accepted, "left", result.Left, "remote_addr", r.RemoteAddr)
	}
	if err != nil {
		return d.refuse(err, result)
	}
	writeJSON(w, http.StatusOK, result)
	return nil
}

// remove answers POST /v1/dead-letters/delete.
func (d deadLetters) remove(w http.ResponseWriter, r *http.Request) *refusal {
	choice, refused := readChoice(w, r, "dry_run")
	if refused != nil {
		return refused
	}
	ctx, cancel := d.begin(w, r)
	defer cancel()
	result, err := d.router.DeleteDeadLetters(ctx, choice.DeadLetterFilter, choice.dryRun)
	if result.Deleted > 0 {
		d.log.Warn("dead letters are deleted", "deleted", result.Deleted, "remote_addr", r.RemoteAddr)
	}
	if err != nil {
		return d.refuse(err, result)
	}
	writeJSON(w, http.StatusOK, result)
	return nil
}

// begin gives a request the time that it may take, which is more than a scrape's.
func (d deadLetters) begin(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	connection, end := http.NewResponseController(w), time.Now().Add(answerTimeout)
	// net/http goes on reading, to notice a sender who leaves: its deadline would end the request.
	if err := errors.Join(connection.SetReadDeadline(end), connection.SetWriteDeadline(end)); err != nil {
		d.log.Warn("an answer about dead letters may be cut off", "error", err)
	}
	return context.WithTimeout(r.Context(), readingTimeout)
}

func (d deadLetters) refuse(err error, result any) *refusal {
	switch {
	case errors.Is(err, store.ErrNoDeadLetter):
		return &refusal{status: http.StatusNotFound, Problem: err.Error()}
	case errors.Is(err, messages.ErrUnavailable): // what else it says is the operator's, who finds it in the log
		return &refusal{status: http.StatusServiceUnavailable, Problem: "the store keeps nothing at present", result: result}
	case errors.Is(err, messages.ErrClosed):
		return &refusal{status: http.StatusServiceUnavailable, Problem: messages.ErrClosed.Error(), result: result}
	case errors.Is(err, context.Canceled): // nobody is left to be told
		return &refusal{status: http.StatusServiceUnavailable, Problem: "it was called off", result: result}
	case errors.Is(err, context.DeadlineExceeded):
		return &refusal{status: http.StatusServiceUnavailable, Problem: "it takes too long: ask for fewer", result: result}
	case errors.Is(err, context.Canceled): // the sender left, and the store has no fault
		return &refusal{status: http.StatusServiceUnavailable, Problem: "nobody waited for the answer", result: result}
	}
	d.log.Error("the dead letters can't be read", "error", err)
	return &refusal{status: http.StatusInternalServerError, Problem: "the dead letters can't be read: see the log", result: result}
}

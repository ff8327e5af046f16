package ingest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

const (
	// receiptTimeout is how long a request waits until its events are safe.
	receiptTimeout = 30 * time.Second
	answerTimeout  = 5 * time.Second // for the answer then
	// closePatience is how long requests may still wait for that when the server closes: half as long as it waits for them.
	closePatience = time.Second
)

// handOver returns when the events are safe, or nobody waits for that any more. Their sender is told to send them again
// then, and they may arrive twice, with the same event_id where he gave one.
func (s *Server) handOver(ctx context.Context, control *http.ResponseController, envelopes []*messages.Envelope) *refusal {
	_ = control.SetWriteDeadline(time.Now().Add(s.receiptTimeout + answerTimeout)) // fails where the connection is closed
	ctx, cancel := context.WithTimeout(ctx, s.receiptTimeout)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	err := s.router.NotifySafe(ctx, envelopes...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, messages.ErrQueueFull), errors.Is(err, messages.ErrClosed):
		return later(err.Error())
	case errors.Is(err, messages.ErrUnavailable):
		return later(messages.ErrUnavailable.Error()) // what else it says is the operator's, who finds it in the log
	case errors.Is(err, messages.ErrTooLarge):
		return tooLarge(err.Error())
	case ctx.Err() != nil:
		return later("the events were not safe in time")
	}
	s.log.Error("ingest could not hand events over", "events", len(envelopes), "error", err)
	return &refusal{status: http.StatusInternalServerError, Problem: "the events could not be handed over"}
}

// Close stops taking requests and waits for those under way, for two seconds and until ctx ends. Those whose events are
// not safe when half of that time is over are answered 503.
func (s *Server) Close(ctx context.Context) error {
	wait := closePatience
	if end, bounded := ctx.Deadline(); bounded {
		wait = min(wait, time.Until(end)/2)
	}
	defer time.AfterFunc(wait, s.close).Stop()
	defer s.close()
	return s.Server.Close(ctx)
}

package actors

import (
	"runtime/debug"
	"time"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// attemptRunner is a goroutine that makes attempts. With the end of one it runs the endpoint's actor, where nobody else
// does, and goes on with the attempt that the actor then begins. So a busy endpoint spends no goroutine on each event.
type attemptRunner struct {
	endpoint *Endpoint
	next     *delivery.Delivery // set by the actor while it handles this runner's attemptEnded
}

// attemptEnded brings the end of an attempt back to the actor that began it.
type attemptEnded struct {
	delivery *delivery.Delivery
	id       string // what the request was known by
	outcome  messages.Outcome
	took     time.Duration
	panicked any            // what the attempt panicked with, nil when it did not
	stack    []byte         // of that panic
	runner   *attemptRunner // who waits for its next attempt; nil: nobody does
}

func (r *attemptRunner) run(d *delivery.Delivery) {
	for d != nil {
		ended := r.endpoint.try(d)
		r.endpoint.attempts.Done()
		ended.runner, r.next = r, nil
		if !r.endpoint.mailbox.Run(ended) {
			ended.runner = nil
			r.endpoint.mailbox.PostUserMessage(ended)
			return
		}
		d = r.next
	}
}

// try recovers by itself: supervision doesn't see a goroutine of our own.
func (e *Endpoint) try(d *delivery.Delivery) (ended *attemptEnded) {
	begun, id := time.Now(), d.ID()
	defer func() {
		if reason := recover(); reason != nil {
			ended = &attemptEnded{delivery: d, id: id, took: time.Since(begun), panicked: reason, stack: debug.Stack()}
		}
	}()
	outcome := e.sender.Send(e.requests, id, d.Events())
	return &attemptEnded{delivery: d, id: id, outcome: outcome, took: time.Since(begun)}
}

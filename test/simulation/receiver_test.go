package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// behaviour is how a receiver treats what it is sent.
type behaviour struct {
	latency  time.Duration
	usual    answer
	flap     time.Duration // how long it gives the usual answer, then the other one, then the usual one …; 0: no change
	other    answer
	poison   *answer // what one event of poisoned gets, and a batch that has one; nil for the same as all
	poisoned int
	oddly    answer // what it gives now and then, to one attempt of rarely
	rarely   int    // 0: to none
	most     int    // events that it takes in one request, 0 for any number; it answers 413 to more
}

// answer is the end of an attempt.
type answer struct {
	name    string
	outcome messages.Outcome
	hangs   bool // until the endpoint's timeout
	panics  bool
}

var (
	well        = answer{name: "well", outcome: messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}}
	timedOut    = answer{name: "hung", hangs: true, outcome: messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: context.DeadlineExceeded}}
	unavailable = status(503, messages.OutcomeAway)
	throttling  = status(429, messages.OutcomeThrottled)
	unprocessed = answer{name: "refusing streams", outcome: messages.Outcome{Kind: messages.OutcomeNotProcessed, Sent: true, Err: errors.New("stream refused")}}
	answers     = []answer{
		well,
		timedOut,
		{name: "unreachable", hangs: true, outcome: messages.Outcome{Kind: messages.OutcomeAway, Err: context.DeadlineExceeded}},
		{name: "refusing connections", outcome: messages.Outcome{Kind: messages.OutcomeAway, Err: errors.New("connection refused")}},
		{name: "resetting", outcome: messages.Outcome{Kind: messages.OutcomeFailed, Sent: true, Err: errors.New("connection reset")}},
		{name: "unbuildable", outcome: messages.Outcome{Kind: messages.OutcomeRejected, Err: errors.New("bad request")}},
		{name: "panicking", panics: true},
		status(400, messages.OutcomeRejected),
		status(422, messages.OutcomeRejected),
		status(409, messages.OutcomeRejected),
		status(500, messages.OutcomeFailed),
		status(500, messages.OutcomeFailed),
		status(401, messages.OutcomeAway),
		status(404, messages.OutcomeAway),
		unavailable,
		status(410, messages.OutcomeRejected), // to a URL that is made from the event
		throttling,
		unprocessed,
		{name: "out of descriptors", outcome: messages.Outcome{Kind: messages.OutcomeLocal, Err: errors.New("too many open files")}},
	}
)

func status(code int, kind messages.OutcomeKind) answer {
	return answer{
		name:    fmt.Sprint(code),
		outcome: messages.Outcome{Kind: kind, Status: code, Sent: true, Err: fmt.Errorf("status %d", code)},
	}
}

func retryAfter(code int, pause time.Duration) answer {
	busy := status(code, messages.OutcomeThrottled)
	busy.name += fmt.Sprintf(" with Retry-After %v", pause)
	busy.outcome.PauseAsked, busy.outcome.Pause = true, pause
	return busy
}

func (b behaviour) String() string {
	text := fmt.Sprintf("%s in %v", b.usual.name, b.latency)
	if b.flap > 0 {
		text += fmt.Sprintf(", by turns of %v %s", b.flap, b.other.name)
	}
	if b.poison != nil {
		text += fmt.Sprintf(", to one event in %d %s", b.poisoned, b.poison.name)
	}
	if b.rarely > 0 {
		text += fmt.Sprintf(", to one in %d %s", b.rarely, b.oddly.name)
	}
	if b.most > 0 {
		text += fmt.Sprintf(", takes %d events at most", b.most)
	}
	return text
}

// answerTo is what the receiver does with the nth request, of events that come at this time since the beginning.
func (b behaviour) answerTo(nth int, events []*event, at time.Duration) answer {
	switch {
	case b.most > 0 && len(events) > b.most:
		return status(413, messages.OutcomeRejected)
	case b.poison != nil && slices.ContainsFunc(events, func(e *event) bool { return e.number%b.poisoned == 0 }):
		return *b.poison
	case b.rarely > 0 && nth*617_929%999_983%b.rarely == 0: // 999,983 is prime
		return b.oddly
	case b.flap > 0 && at/b.flap%2 == 1:
		return b.other
	}
	return b.usual
}

// attempt is one request as its receiver sees it.
type attempt struct {
	id       string
	events   []*event
	outcome  messages.Outcome
	panicked bool
	cutShort bool // its context ended first
}

func (a *attempt) String() string { return fmt.Sprintf("%s %v", a.id, a.events) }

func (a *attempt) has(e *event) bool { return slices.Contains(a.events, e) }

// moment is the beginning or the end of an attempt.
type moment struct {
	at time.Time
	*attempt
	ends bool
}

// receiver takes the place of HTTP for one endpoint, and records what it sees.
type receiver struct {
	endpoint config.Endpoint
	world    *world

	mu        sync.Mutex
	behaviour behaviour
	attempts  int
	unread    []moment
	closed    bool
	broken    *violation // seen by the receiver itself
}

// Send implements actors.Sender.
func (r *receiver) Send(ctx context.Context, id string, events []*messages.Envelope) messages.Outcome {
	a, answer, lasts := r.begin(id, events)
	defer r.end(a)
	switch {
	case !pass(ctx, lasts):
		a.cutShort = true
		a.outcome = messages.Outcome{Kind: messages.OutcomeFailed, Sent: answer.outcome.Sent, Err: fmt.Errorf("cut short: %w", ctx.Err())}
	case answer.panics:
		a.panicked = true
		panic("the attempt of a scenario")
	default:
		a.outcome = answer.outcome
	}
	return a.outcome
}

// Close implements actors.Sender.
func (r *receiver) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

func (r *receiver) begin(id string, envelopes []*messages.Envelope) (*attempt, answer, time.Duration) {
	now := time.Now()
	a := &attempt{id: id}
	var failure error
	for _, envelope := range envelopes {
		e, err := r.world.recognise(envelope)
		a.events = append(a.events, e)
		failure = cmp.Or(failure, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if failure != nil && r.broken == nil {
		r.broken = &violation{rule: "every attempt sends the same bytes, which are the event that was handed over", detail: failure.Error()}
	}
	if r.closed && r.broken == nil {
		r.broken = &violation{rule: "nothing is sent after the endpoint was closed", detail: a.String()}
	}
	r.attempts++
	r.unread = append(r.unread, moment{at: now, attempt: a})
	answer := r.behaviour.answerTo(r.attempts, a.events, now.Sub(r.world.began))
	lasts := r.behaviour.latency
	if answer.hangs || lasts >= r.endpoint.Timeout {
		lasts = r.endpoint.Timeout
		if !answer.hangs {
			answer = timedOut
		}
	}
	return a, answer, r.world.ending(now, lasts).Sub(now)
}

func (r *receiver) end(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = append(r.unread, moment{at: time.Now(), attempt: a, ends: true})
}

// read takes what happened since the last call.
func (r *receiver) read() ([]moment, *violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unread := r.unread
	r.unread = nil
	return unread, r.broken
}

func (r *receiver) turn(to behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behaviour = to
}

// pass lets time pass, and is false when ctx ends first. It does without time.After: in a bubble the race detector of Go
// 1.26 breaks down when several goroutines find such timers due at the same moment.
func pass(ctx context.Context, lasts time.Duration) bool {
	over := make(chan struct{})
	timer := time.AfterFunc(lasts, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// world is what the receivers of one scenario share.
type world struct {
	began time.Time

	mu       sync.Mutex
	events   []*event
	known    map[*messages.Envelope]*event
	attempts int
}

// recognise finds the event that is sent. With an error it is that event, and its body is not as it must be.
func (w *world) recognise(envelope *messages.Envelope) (*event, error) {
	body := envelope.Body()
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.known[envelope]
	if e == nil {
		number, err := numberOf(body)
		if err != nil || number < 0 || number >= len(w.events) {
			return &event{number: -1}, fmt.Errorf("%s was never handed over", body)
		}
		e = w.events[number]
		w.known[envelope] = e
	}
	return e, e.checkBody(envelope.ID, body)
}

// ending is when an attempt ends that takes so long: a little later, at a fraction of a millisecond that no other attempt of
// the scenario has. What follows from it happens whole milliseconds later, so that no two things coincide that an endpoint
// hears of, and it is known what the router knew when it decided.
func (w *world) ending(began time.Time, lasts time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts++
	fraction := time.Duration(w.attempts*617_929%999_983 + 1) // 999,983 is prime
	return w.began.Add((began.Add(lasts).Sub(w.began)).Truncate(time.Millisecond) + time.Millisecond + fraction)
}

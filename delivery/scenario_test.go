package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// TestEndpointScenarios runs the stories in testdata: what goes in, when, and what the endpoint does about it. Times are
// seconds since the story began. The commands:
//
//	endpoint [key=value …]       begins: a default endpoint with these settings
//	offer EVENT …                the router forwards events
//	replay EVENT …               dead letters are replayed
//	answer ID STATUS [retry-after=DURATION] [about-event]
//	turn-away ID STATUS|COMMAND DURATION
//	                             each attempt of it ends so, after another event was delivered
//	timeout ID                   the request went out, and no answer came in time
//	refuse ID                    no connection was made
//	unprocessed ID               the endpoint surely did nothing with the request
//	local ID                     the machine lacked what the attempt takes
//	unbuildable ID               no request could be made of the event
//	panic ID                     the attempt panicked
//	cancel ID                    the request ends because it was cancelled
//	advance DURATION             time passes
//	drain DURATION               the shutdown begins, with a cutoff so far away
//	state                        shows the breaker and the account
//	restore WINDOW               a process begins with what the journal keeps, and room for so many events in memory
//	read                         what the endpoint asks for is read from the journal
//	fail-to-read                 it can't be read
//	damage EVENT                 what the journal keeps of it is damaged
//
// The ID of a request is its event, or b1, b2 … of a batch.
func TestEndpointScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *scenario
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "endpoint" {
				s = newScenario(t, d.CmdArgs)
			} else {
				s.run(t, d)
			}
			return s.story()
		})
	})
}

type scenario struct {
	*Endpoint
	settings config.Endpoint
	newID    func() string
	journal  *memoryJournal // nil: without one
	after    uint64         // what the endpoint asks to be read
	most     Volume

	now   time.Time
	began time.Time
	out   map[string]*Delivery
	shown BreakerState
	lines []string
}

func newScenario(t *testing.T, args []datadriven.CmdArg) *scenario {
	cfg := config.Default()
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "scenario"}}
	endpoint := cfg.Webhook.Resolve()[0]
	for _, arg := range args {
		value := arg.Vals[0]
		switch arg.Key {
		case "workers":
			endpoint.Workers = number(t, value)
		case "queue_size":
			endpoint.QueueSize = number(t, value)
		case "drop_policy":
			endpoint.DropPolicy = config.DropPolicy(value)
		case "max_attempts":
			endpoint.Retry.MaxAttempts = number(t, value)
		case "give_up_after":
			endpoint.Retry.GiveUpAfter = duration(t, value)
		case "max_interval":
			endpoint.Retry.MaxInterval = duration(t, value)
		case "rejection_threshold":
			endpoint.CircuitBreaker.RejectionThreshold = config.RejectionThreshold(number(t, value))
		case "failure_threshold":
			endpoint.CircuitBreaker.FailureThreshold = number(t, value)
		case "reset_timeout":
			endpoint.CircuitBreaker.ResetTimeout = duration(t, value)
		case "max_events":
			endpoint.Batch.MaxEvents = number(t, value)
		case "max_wait":
			endpoint.Batch.MaxWait = duration(t, value)
		case "per_second":
			endpoint.RateLimit.PerSecond = float64(number(t, value))
		case "burst":
			endpoint.RateLimit.Burst = number(t, value)
		case "max_age":
			endpoint.MaxAge = duration(t, value)
		default:
			t.Fatalf("unknown setting %s", arg.Key)
		}
	}
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	batches := 0
	newID := func() string {
		batches++
		return fmt.Sprintf("b%d", batches)
	}
	s := &scenario{settings: endpoint, newID: newID, now: began, began: began}
	s.begin()
	return s
}

func (s *scenario) begin() {
	noJitter := func() float64 { return 0 }
	s.Endpoint, s.out = NewEndpoint(s.settings, noJitter, s.newID), map[string]*Delivery{}
}

func (s *scenario) restore(t *testing.T, window int64) {
	if s.journal == nil {
		s.journal = newMemoryJournal(t)
	}
	s.begin()
	s.journal.TB = t
	s.Restore(s.journal, s.journal.kept(), windowOf(window))
}

func (s *scenario) damage(id string) {
	for _, stored := range s.journal.held {
		if stored.Event.ID == id {
			s.journal.damaged[stored.Number] = true
		}
	}
}

func (s *scenario) run(t *testing.T, d *datadriven.TestData) {
	if s.journal != nil {
		s.journal.TB = t
	}
	switch d.Cmd {
	case "offer":
		for _, arg := range d.CmdArgs {
			s.offer(t, arg.Key)
		}
	case "replay":
		for _, arg := range d.CmdArgs {
			s.replay(t, arg.Key)
		}
	case "answer":
		status := number(t, d.CmdArgs[1].Key)
		s.end(t, d, answered(t, status, d.CmdArgs[2:]))
	case "timeout", "refuse", "unprocessed", "local", "unbuildable", "cancel":
		s.end(t, d, unanswered[d.Cmd])
	case "panic":
		id := d.CmdArgs[0].Key
		s.tell(id, s.Panicked(s.now, s.take(t, id)))
	case "turn-away":
		s.turnAway(t, d)
		return
	case "advance":
		s.advance(duration(t, d.CmdArgs[0].Key))
		return
	case "drain":
		s.Drain(s.now.Add(duration(t, d.CmdArgs[0].Key)))
	case "restore":
		s.restore(t, int64(number(t, d.CmdArgs[0].Key)))
	case "read":
		s.Filled(s.now, s.journal.read(s.after, s.most))
	case "fail-to-read":
		s.ReadFailed(s.now)
	case "damage":
		s.damage(d.CmdArgs[0].Key)
	case "state":
		ledger := s.backlog.Ledger()
		s.say("breaker %s, %d waiting, %d in flight, %d retrying, %d delivered, dropped %v, dead-lettered %v",
			s.breaker.state, ledger.Waiting, ledger.InFlight, ledger.Retrying, ledger.Of(Delivered),
			ledger.ByReason(KindDropped), ledger.ByReason(KindDeadLettered))
		if s.journal != nil {
			s.say("%d accepted, of them %d from the store; %d kept, %d events in memory",
				ledger.Accepted, ledger.AcceptedStore, ledger.Kept, s.backlog.inMemory().Events)
		}
		return
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	s.settleDown()
}

func (s *scenario) offer(t *testing.T, id string) {
	if _, err := s.backlog.Offer(s.now, newEvent(t, id)); err != nil {
		s.say("%s is refused: %v", id, err)
	}
}

func (s *scenario) replay(t *testing.T, id string) {
	if _, err := s.backlog.OfferReplay(s.now, newEvent(t, id)); err != nil {
		s.say("%s is not replayed: %v", id, err)
	}
}

func (s *scenario) end(t *testing.T, d *datadriven.TestData, outcome messages.Outcome) {
	id := d.CmdArgs[0].Key
	delivery := s.take(t, id)
	v := s.Settle(s.now, delivery, outcome)
	if v.sequel == retry {
		s.say("%s waits until %s, charged %d", id, s.at(delivery.due), delivery.charged)
	} else {
		s.tell(id, v)
	}
}

func (s *scenario) tell(id string, v Verdict) {
	if s.journal != nil && v.DeadLettered() {
		for i, event := range v.Events() {
			s.journal.end(v.Held()[i], v.Fate)
			s.backlog.Leave(event, false)
		}
	}
	switch {
	case v.sequel == split:
		s.say("%s is split", id)
	case v.Fate == Delivered:
		s.say("%s is delivered", id)
	default:
		s.say("%s is dead-lettered: %s", id, v.Fate.Reason())
	}
}

func idsOf(events []*messages.Envelope) string {
	var ids []string
	for _, event := range events {
		ids = append(ids, event.ID)
	}
	return strings.Join(ids, " ")
}

func newTestID() string { return "batch" }

func (s *scenario) take(t *testing.T, id string) *Delivery {
	delivery := s.out[id]
	require.NotNil(t, delivery, "%s is not in flight", id)
	delete(s.out, id)
	return delivery
}

// turnAway tells how often it was, and what came of the last time.
func (s *scenario) turnAway(t *testing.T, d *datadriven.TestData) {
	id, how, end := d.CmdArgs[0].Key, d.CmdArgs[1].Key, s.now.Add(duration(t, d.CmdArgs[2].Key))
	outcome, ok := unanswered[how]
	if !ok {
		outcome = answered(t, number(t, how), nil)
	}
	times, last := 0, []string{}
	for at, ok := s.now, true; ok && !at.After(end); at, ok = s.Wake(s.now) {
		s.now = at
		s.deliverOthers(t, id)
		if s.out[id] != nil {
			before := len(s.lines)
			s.end(t, d, outcome)
			times, last = times+1, s.lines[before:]
		}
	}
	s.now = end
	s.lines = append([]string{fmt.Sprintf("%s is turned away %d times", id, times)}, last...)
}

// deliverOthers delivers events until there is none but what has this ID.
func (s *scenario) deliverOthers(t *testing.T, id string) {
	for range s.backlog.batch.MaxEvents - s.backlog.Ledger().Waiting {
		s.offer(t, "other")
	}
	for s.settleDown(); len(s.out) > 1 || len(s.out) == 1 && s.out[id] == nil; s.settleDown() {
		for other, delivery := range s.out {
			if other != id {
				delete(s.out, other)
				s.Settle(s.now, delivery, answered(t, http.StatusOK, nil))
			}
		}
	}
}

// advance lets time pass from one wake to the next, as the actor's timer does.
func (s *scenario) advance(by time.Duration) {
	end := s.now.Add(by)
	for at, ok := s.Wake(s.now); ok && !at.After(end); at, ok = s.Wake(s.now) {
		s.now = at
		s.settleDown()
	}
	s.now = end
	s.settleDown()
}

// settleDown does what the actor does after each message.
func (s *scenario) settleDown() {
	s.showBreaker()
	for _, v := range s.GiveUp(s.now) {
		s.tell(idsOf(v.Events()), v)
	}
	for d := s.Next(s.now); d != nil; d = s.Next(s.now) {
		s.showBreaker()
		s.out[d.ID()] = d
		name := d.ID()
		if d.batch != nil {
			name += " (" + idsOf(d.Events()) + ")"
		}
		s.say("%s goes out, attempt %d", name, d.attempts)
		s.mark(d)
	}
	s.showBreaker()
	if after, most, ok := s.ReadAhead(s.now); ok {
		s.after, s.most = after, most
		s.say("events after number %d are to be read, %d at most", after, most.Events)
	}
}

// mark lets the journal know that an attempt begins, where it has to.
func (s *scenario) mark(d *Delivery) {
	if s.Marks() {
		s.Mark(d)
	}
}

func (s *scenario) showBreaker() {
	if s.shown != s.breaker.state {
		s.shown = s.breaker.state
		s.say("the breaker is %s", s.shown)
	}
}

func (s *scenario) say(format string, args ...any) {
	s.lines = append(s.lines, s.at(s.now)+" "+fmt.Sprintf(format, args...))
}

func (s *scenario) at(t time.Time) string {
	return strconv.FormatFloat(t.Sub(s.began).Seconds(), 'f', 3, 64)
}

func (s *scenario) story() string {
	defer func() { s.lines = nil }()
	return strings.Join(s.lines, "\n")
}

// unanswered are the outcomes, by command, to which no answer came.
var unanswered = map[string]messages.Outcome{
	"timeout":     {Kind: messages.OutcomeFailed, Sent: true, Err: errors.New("time-out")},
	"refuse":      {Kind: messages.OutcomeAway, Err: errors.New("connection refused")},
	"unprocessed": {Kind: messages.OutcomeNotProcessed, Sent: true, Err: errors.New("stream refused")},
	"local":       {Kind: messages.OutcomeLocal, Err: errors.New("too many open files")},
	"unbuildable": {Kind: messages.OutcomeRejected, Err: errors.New("the template fails")},
	"cancel":      {Kind: messages.OutcomeFailed, Sent: true, Err: context.Canceled},
}

func answered(t *testing.T, status int, args []datadriven.CmdArg) messages.Outcome {
	outcome := messages.Outcome{Kind: messages.OutcomeAway, Status: status, Sent: true, Err: errors.New(http.StatusText(status))}
	switch {
	case status == http.StatusOK:
		outcome.Kind, outcome.Err = messages.OutcomeDelivered, nil
	case slices.Contains([]int{400, 409, 413, 422}, status):
		outcome.Kind = messages.OutcomeRejected
	case status == http.StatusInternalServerError:
		outcome.Kind = messages.OutcomeFailed
	case status == http.StatusTooManyRequests:
		outcome.Kind = messages.OutcomeThrottled
	}
	for _, arg := range args {
		if arg.Key == "about-event" { // where the URL is made from the event
			outcome.Kind = messages.OutcomeRejected
			continue
		}
		outcome.Kind, outcome.PauseAsked, outcome.Pause = messages.OutcomeThrottled, true, duration(t, arg.Vals[0])
	}
	return outcome
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

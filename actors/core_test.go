package actors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient"
	"github.com/fluxmq/webhookd/messages"
)

// TestEndpointScenarios runs the stories in testdata: what goes in, when, and what the endpoint does about it. Times are
// seconds since the story began. The commands:
//
//	endpoint [key=value …]       begins: a default endpoint with these settings
//	offer EVENT …                the router forwards events
//	answer EVENT STATUS [retry-after=DURATION]
//	timeout EVENT                the request went out, and no answer came in time
//	refuse EVENT                 no connection was made
//	panic EVENT                  the attempt panicked
//	cancel EVENT                 the request ends because it was cancelled
//	advance DURATION             time passes
//	drain DURATION               the shutdown begins, with a cutoff so far away
//	state                        shows the breaker and the account
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
	*core
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
		case "failure_threshold":
			endpoint.CircuitBreaker.FailureThreshold = number(t, value)
		case "reset_timeout":
			endpoint.CircuitBreaker.ResetTimeout = duration(t, value)
		default:
			t.Fatalf("unknown setting %s", arg.Key)
		}
	}
	backlog := NewBacklog(Bounds{Events: endpoint.QueueSize, Bytes: 1 << 20, Policy: endpoint.DropPolicy})
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	noJitter := func() float64 { return 0 }
	return &scenario{core: newCore(endpoint, backlog, noJitter), now: began, began: began, out: map[string]*Delivery{}}
}

func (s *scenario) run(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "offer":
		for _, arg := range d.CmdArgs {
			s.offer(t, arg.Key)
		}
	case "answer":
		status := number(t, d.CmdArgs[1].Key)
		s.end(t, d, answered(t, status, d.CmdArgs[2:]))
	case "timeout":
		s.end(t, d, httpclient.Outcome{Kind: httpclient.Failed, Sent: true, Err: errors.New("time-out")})
	case "refuse":
		s.end(t, d, httpclient.Outcome{Kind: httpclient.Away, Err: errors.New("connection refused")})
	case "cancel":
		s.end(t, d, httpclient.Outcome{Kind: httpclient.Failed, Sent: true, Err: context.Canceled})
	case "panic":
		delivery := s.take(t, d.CmdArgs[0].Key)
		s.say("%s is dead-lettered: panic %v", delivery.Event.ID, s.panicked(delivery))
	case "advance":
		s.advance(duration(t, d.CmdArgs[0].Key))
		return
	case "drain":
		s.drain(s.now.Add(duration(t, d.CmdArgs[0].Key)))
	case "state":
		ledger := s.backlog.Ledger()
		s.say("breaker %s, %d waiting, %d in flight, %d retrying, %d delivered, dropped %v, dead-lettered %v",
			s.breaker.state, ledger.Waiting, ledger.InFlight, ledger.Retrying, ledger.Of(Delivered),
			ledger.ByReason(KindDropped), ledger.ByReason(KindDeadLettered))
		return
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	s.settleDown()
}

func (s *scenario) offer(t *testing.T, id string) {
	event := messages.NewEnvelope(&messages.AuthSuccess{ClientID: "c"})
	event.ID = id
	require.NoError(t, event.Admit(messages.Admission{}, s.began))
	if _, err := s.backlog.Offer(event); err != nil {
		s.say("%s is refused: %v", id, err)
	}
}

func (s *scenario) end(t *testing.T, d *datadriven.TestData, outcome httpclient.Outcome) {
	delivery := s.take(t, d.CmdArgs[0].Key)
	fate, final := s.settle(s.now, delivery, outcome)
	switch {
	case !final:
		s.say("%s waits until %s, charged %d", delivery.Event.ID, s.at(delivery.due), delivery.charged)
	case fate == Delivered:
		s.say("%s is delivered", delivery.Event.ID)
	default:
		s.say("%s is dead-lettered: %s", delivery.Event.ID, fate.Reason())
	}
}

func (s *scenario) take(t *testing.T, id string) *Delivery {
	delivery := s.out[id]
	require.NotNil(t, delivery, "%s is not in flight", id)
	delete(s.out, id)
	return delivery
}

// advance lets time pass from one wake to the next, as the actor's timer does.
func (s *scenario) advance(by time.Duration) {
	end := s.now.Add(by)
	for at, ok := s.wake(s.now); ok && !at.After(end); at, ok = s.wake(s.now) {
		s.now = at
		s.settleDown()
	}
	s.now = end
	s.settleDown()
}

// settleDown does what the actor does after each message.
func (s *scenario) settleDown() {
	s.showBreaker()
	for _, delivery := range s.abandon(s.now) {
		s.say("%s is dead-lettered: shutdown", delivery.Event.ID)
	}
	for d := s.next(s.now); d != nil; d = s.next(s.now) {
		s.showBreaker()
		s.out[d.Event.ID] = d
		s.say("%s goes out, attempt %d", d.Event.ID, d.Attempts)
	}
	s.showBreaker()
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

func answered(t *testing.T, status int, args []datadriven.CmdArg) httpclient.Outcome {
	outcome := httpclient.Outcome{Kind: httpclient.Away, Status: status, Sent: true, Err: errors.New(http.StatusText(status))}
	switch {
	case status == http.StatusOK:
		outcome.Kind, outcome.Err = httpclient.Delivered, nil
	case status == http.StatusBadRequest:
		outcome.Kind = httpclient.Rejected
	case status == http.StatusInternalServerError:
		outcome.Kind = httpclient.Failed
	}
	for _, arg := range args {
		outcome.PauseAsked, outcome.Pause = true, duration(t, arg.Vals[0])
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

package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// scenario is one story: a configuration, how its receivers behave at first, and what happens then.
type scenario struct {
	webhook   config.Webhook
	receivers []behaviour // of webhook.Endpoints
	jitter    uint64      // what chance begins with
	steps     []step
}

// step is one thing that happens, after some time.
type step struct {
	after  time.Duration
	action action
}

// jitters is how many values chance has. What it adds to reset_timeout is a whole number of milliseconds, as world.ending
// needs it.
const jitters = 5

// action is what happens in a step: an offering, a trickle, a turn, a closing, or a silence.
type action interface {
	fmt.Stringer
	perform(*run)
}

// offering hands events over, all at one moment.
type offering struct {
	way    way
	events []eventSpec
	apart  bool // each when what follows from the one before has happened
}

// trickle hands events over one by one.
type trickle struct {
	events int
	every  time.Duration
	spec   eventSpec
}

// way is how events are handed over.
type way string

const (
	byNotify    way = "Notify"
	byNotifyAll way = "NotifyAll"
	byPID       way = "PID"
)

// turn changes how a receiver behaves.
type turn struct {
	receiver int
	to       behaviour
}

// closing calls Close and does not wait for its end.
type closing struct {
	deadline time.Duration // of its context, from then on; 0 for none
	cancel   time.Duration // when its context is cancelled, from then on; negative for never
}

// silence lets the step's time pass.
type silence struct{}

func (silence) perform(*run) {}

// GoString tells the scenario as rapid prints it.
func (s scenario) GoString() string {
	var text strings.Builder
	w := s.webhook
	fmt.Fprintf(&text, "\nrouter: queue %d, %v, drops the %s, stops within %v\n", w.QueueSize, w.QueueBytes, w.DropPolicy, w.ShutdownTimeout)
	for i, e := range w.Resolve() {
		fmt.Fprintf(&text, "endpoint %s: workers %d, queue %d, %v, drops the %s, timeout %v, retry %+v, breaker %+v, batch %+v, rate %+v, max_age %v, events %q, filters %q\n",
			e.Name, e.Workers, e.QueueSize, e.QueueBytes, e.DropPolicy, e.Timeout, e.Retry, e.CircuitBreaker, e.Batch, e.RateLimit, e.MaxAge, e.Events, e.TopicFilters)
		fmt.Fprintf(&text, "\tis %v\n", s.receivers[i])
	}
	for _, step := range s.steps {
		fmt.Fprintf(&text, "after %v: %v\n", step.after, step.action)
	}
	return text.String()
}

func (o offering) String() string {
	if len(o.events) > 12 {
		return fmt.Sprintf("%d events by %s, the first %v", len(o.events), o.way, o.events[0])
	}
	if o.apart {
		return fmt.Sprintf("by %s, one after the other, %v", o.way, o.events)
	}
	return fmt.Sprintf("by %s %v", o.way, o.events)
}

func (t trickle) String() string {
	return fmt.Sprintf("%d events, one every %v, each %v", t.events, t.every, t.spec)
}

func (t turn) String() string  { return fmt.Sprintf("receiver %d is %v", t.receiver, t.to) }
func (silence) String() string { return "nothing" }

func (c closing) String() string {
	text := "Close"
	if c.deadline > 0 {
		text += fmt.Sprintf(" within %v", c.deadline)
	}
	if c.cancel >= 0 {
		text += fmt.Sprintf(", cancelled after %v", c.cancel)
	}
	return text
}

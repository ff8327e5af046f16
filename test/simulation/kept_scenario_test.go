package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/store"
)

// keptScenario is a story of a router with a store, over several processes.
type keptScenario struct {
	webhook   config.Webhook
	receivers []behaviour // of webhook.Endpoints
	jitter    uint64
	delay     time.Duration // commit_delay
	maxBytes  config.ByteSize
	window    int64
	takes     time.Duration // a commit
	late      time.Duration // a reading
	steps     []keptStep
}

type keptStep struct {
	after  time.Duration
	action keptAction
}

// keptAction is what happens in a step: a handing, a keptTrickle, a keptTurn, a keptReplaying, a crash, a cutting, a failing,
// a damaging, or a stop.
type keptAction interface {
	fmt.Stringer
	perform(*keptRun)
}

// handing hands events over, all at one moment.
type handing struct {
	way    handingWay
	events []eventSpec
}

// handingWay is how events are handed over with a store.
type handingWay string

const (
	forNothing  handingWay = "Notify"
	forReceipt  handingWay = "NotifyReceipt, each"
	forReceipts handingWay = "NotifyReceipt, all"
)

// keptTrickle hands events over one by one.
type keptTrickle struct {
	events int
	every  time.Duration
	spec   eventSpec
}

type keptTurn turn

// keptReplaying replays the dead letters of one endpoint, or of all.
type keptReplaying struct {
	endpoint int // -1: all
}

// crash ends the process at this moment.
type crash struct{}

// cutting cuts the power at a commit to come, which is applied or not at all.
type cutting struct {
	what    string // it has: anything, letters or replays
	applied bool
}

// failing lets the disk fail for some time.
type failing struct {
	lasts   time.Duration
	commits bool
	applied bool // what fails is on the disk, but nobody learns it
	reads   bool
}

// damaging makes the body of an event unreadable.
type damaging struct {
	endpoint, nth int
}

// stopping ends the process in order.
type stopping struct{}

func (c *cutting) at(group *store.Group) bool {
	switch c.what {
	case "letters":
		return len(group.Letters) > 0
	case "replays":
		return len(group.Replays) > 0
	}
	return true
}

// GoString tells the scenario as rapid prints it.
func (s keptScenario) GoString() string {
	var text strings.Builder
	w := s.webhook
	fmt.Fprintf(&text, "\nrouter: queue %d, %v, drops the %s, stops within %v\n", w.QueueSize, w.QueueBytes, w.DropPolicy, w.ShutdownTimeout)
	fmt.Fprintf(&text, "store: commit_delay %v, max_bytes %v, window %d, a commit takes %v, a reading %v\n", s.delay, s.maxBytes, s.window, s.takes, s.late)
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

func (h handing) String() string {
	return fmt.Sprintf("%d events by %s, the first %v", len(h.events), h.way, h.events[0])
}

func (t keptTrickle) String() string   { return trickle(t).String() }
func (t keptTurn) String() string      { return turn(t).String() }
func (a keptReplaying) String() string { return replaying(a).String() }
func (crash) String() string           { return "a crash" }
func (c cutting) String() string {
	return fmt.Sprintf("the power fails at the next commit (%s), applied %v", c.what, c.applied)
}
func (f failing) String() string {
	return fmt.Sprintf("for %v the disk fails: commits %v (applied %v), reads %v", f.lasts, f.commits, f.applied, f.reads)
}
func (d damaging) String() string {
	return fmt.Sprintf("event %d of endpoint %d is damaged", d.nth, d.endpoint)
}
func (stopping) String() string { return "a stop" }

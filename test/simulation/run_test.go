package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
)

// run is a scenario under way.
type run struct {
	scenario
	*world
	system    *actor.ActorSystem
	handle    *router.Handle
	receivers []*receiver
	oracles   []*oracle // of the receivers
	root      account
	closings  []*closingUnderWay
	letters   []*store.DeadLetter
	kept      []*keptLetter // of letters, those that were not replayed
	broken    *violation
}

// play runs a scenario in a bubble of virtual time, and tells what it broke. The bubble panics when it leaves a
// goroutine behind.
func play(t *testing.T, s scenario) (r *run) {
	synctest.Test(t, func(*testing.T) {
		r = newRun(s)
		if r.broken == nil {
			r.playSteps()
		}
		r.stop()
	})
	return r
}

func newRun(s scenario) *run {
	r := &run{
		scenario: s,
		world:    &world{began: time.Now(), known: map[*messages.Envelope]*event{}},
		root:     newAccount(),
	}
	log := slog.New(slog.DiscardHandler)
	r.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	cfg := config.Default()
	cfg.BrokerID = brokerID
	cfg.Webhook = s.webhook
	handle, err := router.Spawn(r.system, cfg, router.WithLogger(log), router.WithSenders(r.newReceiver),
		router.WithJitter(func() float64 { return r.jitterAt(time.Now()) }))
	if err != nil {
		r.breaks("a valid configuration spawns a router", "%v", err)
		return r
	}
	r.handle = handle
	synctest.Wait()
	return r
}

func (r *run) newReceiver(endpoint config.Endpoint) (actors.Sender, error) {
	receiver := &receiver{endpoint: endpoint, world: r.world, behaviour: r.scenario.receivers[len(r.receivers)]}
	r.receivers = append(r.receivers, receiver)
	r.oracles = append(r.oracles, newOracle(endpoint, r.began, r.jitterAt))
	return receiver, nil
}

func (r *run) breaks(rule, detail string, args ...any) {
	if r.broken == nil {
		r.broken = &violation{rule, fmt.Sprintf("router at %v: ", time.Since(r.began)) + fmt.Sprintf(detail, args...)}
	}
}

func (r *run) playSteps() {
	for _, step := range r.steps {
		r.pass(step.after)
		if r.broken != nil {
			return
		}
		step.action.perform(r)
		r.check()
	}
	if len(r.closings) == 0 {
		r.recover()
		closing{cancel: never}.perform(r)
	}
	r.awaitClosed()
	r.pass(time.Hour)
	r.checkEnd()
}

// stop ends a run that a violation has cut short, and lets the actor system's own timers end.
func (r *run) stop() {
	if r.handle != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.handle.Close(ctx)
	}
	time.Sleep(time.Hour)
}

// pass lets virtual time pass and everything that is due happen, and checks it.
func (r *run) pass(by time.Duration) {
	time.Sleep(by)
	synctest.Wait()
	r.check()
}

// check reads what the receivers saw and what the router says of itself.
func (r *run) check() {
	now := time.Now()
	stats := r.handle.Stats()
	r.compareRoot(stats.Mailbox)
	r.readDeadLetters(stats)
	for i, o := range r.oracles {
		moments, broken := r.receivers[i].read()
		r.note(broken)
		o.read(moments, now)
		if o.broken == nil {
			o.compare(stats.Endpoints[i])
		}
		r.note(o.broken)
	}
}

func (r *run) note(broken *violation) {
	if r.broken == nil {
		r.broken = broken
	}
}

func (r *run) compareRoot(l delivery.Ledger) {
	switch {
	case !balanced(l):
		r.breaks("offered = routed + unwanted + dropped + queued", "%+v", l)
	case l.Held() > 0:
		r.breaks("the router waits for no endpoint", "%d events are queued", l.Held())
	case l.Accepted != r.root.accepted || !maps.Equal(fatesOf(l), r.root.fates):
		r.breaks("every event that is handed over is accounted", "offered %d, %v; not %d, %v",
			l.Accepted, fatesOf(l), r.root.accepted, r.root.fates)
	}
}

// jitterAt is the chance of this moment.
func (r *run) jitterAt(now time.Time) float64 { return jitterAt(r.jitter, now.Sub(r.began)) }

func jitterAt(first uint64, at time.Duration) float64 {
	return float64((uint64(at)*2_654_435_761+first)%jitters) / (jitters - 1)
}

func (t turn) perform(r *run) { r.receivers[t.receiver].turn(t.to) }

// recover lets all receivers be well, until nothing is held any more.
func (r *run) recover() {
	for _, receiver := range r.receivers {
		receiver.turn(behaviour{usual: well, latency: time.Millisecond})
	}
	for range 100 {
		if r.broken != nil || r.held() == 0 {
			return
		}
		r.pass(10 * time.Minute)
	}
	r.breaks("what an endpoint holds flows once its receiver is well", "%d events are still held", r.held())
}

func (r *run) held() int {
	held := 0
	for _, o := range r.oracles {
		held += len(o.held)
	}
	return held
}

// checkEnd checks what is left when the router has stopped.
func (r *run) checkEnd() {
	for i, receiver := range r.receivers {
		if !receiver.closed {
			r.breaks("a stopped endpoint closes its sender", "%s", r.oracles[i].Name)
		}
	}
	r.checkDeadLetters()
	if r.handle.Notify(context.Background(), &messages.AuthFailure{}) != nil {
		return
	}
	r.breaks("a closed router takes no event", "Notify returned nil")
}

// readDeadLetters takes the dead letters since the last call.
func (r *run) readDeadLetters(stats router.Stats) {
	total := 0
	for _, endpoint := range stats.Endpoints {
		total += int(endpoint.Total(delivery.KindDeadLettered))
	}
	latest, fresh := r.handle.DeadLetters(), total-len(r.letters)
	if want := len(r.kept) + fresh; len(latest) != min(want, store.MaxDeadLetters) {
		r.breaks("every event that was given up is a dead letter, until it is replayed", "there are %d, not %d", len(latest), want)
		return
	}
	latest = latest[max(0, len(latest)-fresh):]
	r.letters = append(r.letters, latest...)
	for _, l := range latest {
		o, e := r.oracleOf(l), r.eventOf(l)
		r.kept = append(r.kept, &keptLetter{event: e, oracle: o, at: l.Time})
		if l.Reason == "max_attempts" || l.Reason == "give_up_after" {
			o.givenUp[e] = l
		}
	}
}

func (r *run) oracleOf(l *store.DeadLetter) *oracle {
	return r.oracles[slices.IndexFunc(r.oracles, func(o *oracle) bool { return o.Name == l.Endpoint })]
}

func (r *run) eventOf(l *store.DeadLetter) *event {
	e, err := r.recognise(l.Event)
	if err != nil {
		r.breaks("a dead letter has the bytes that were sent", "%v", err)
	}
	return e
}

func (r *run) checkDeadLetters() {
	for _, l := range r.letters {
		e, letters := r.eventOf(l), r.oracleOf(l).account.letters
		if len(letters[e.number]) == 0 {
			r.breaks("an event has one dead letter each time that it is given up", "%v of %s has one more", e, l.Endpoint)
			return
		}
		found, want := letter{l.Reason, l.Attempts, l.Time}, letters[e.number][0]
		letters[e.number] = letters[e.number][1:]
		if found.reason != want.reason || found.attempts != want.attempts || !found.at.Equal(want.at) {
			r.breaks("a dead letter says when and why it was given up", "%v of %s: %v, not %v", e, l.Endpoint, found, want)
		}
	}
}

// story tells the last things that the receivers of a broken run saw.
func (r *run) story() string {
	var text strings.Builder
	for _, o := range r.oracles {
		fmt.Fprintf(&text, "endpoint %s:\n", o.Name)
		for _, m := range o.story[max(0, len(o.story)-30):] {
			fmt.Fprintf(&text, "\t%v %v %s\n", m.at.Sub(r.began), m.attempt, m.tell())
		}
	}
	return text.String()
}

func (m moment) tell() string {
	switch {
	case !m.ends:
		return "goes out"
	case m.panicked:
		return "panics"
	case m.cutShort:
		return "is cut short"
	}
	return fmt.Sprintf("%v %d pause %v (%v)", m.outcome.Kind, m.outcome.Status, m.outcome.PauseAsked, m.outcome.Pause)
}

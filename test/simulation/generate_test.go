package simulation

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// scenarios generates scenarios. Simple ones come first in the order of rapid, so that a failure shrinks towards one
// endpoint, few steps, and receivers that are well.
func scenarios() *rapid.Generator[scenario] {
	return rapid.Custom(func(t *rapid.T) scenario {
		// A burst of events so large that those in flight fill a queue would leave open which of it are refused.
		giants := chance(t, 3)
		s := scenario{webhook: drawWebhook(t, giants)}
		for range s.webhook.Endpoints {
			s.receivers = append(s.receivers, drawBehaviour(t))
		}
		s.jitter = rapid.Uint64Range(0, jitters-1).Draw(t, "jitter")
		watch(&s)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			s.steps = append(s.steps, drawStep(t, len(s.webhook.Endpoints)-1, giants))
		}
		return s
	})
}

// watch adds an endpoint that gets every event of a message at once, and so shows what the router forwarded.
func watch(s *scenario) {
	s.webhook.Endpoints = append(s.webhook.Endpoints, config.Endpoint{
		Name: "witness", URL: "http://receiver.test/", Events: []string{"message.*"}, Workers: 1000, QueueSize: 10_000, QueueBytes: 1 << 30,
	})
	s.receivers = append(s.receivers, behaviour{usual: well})
}

// chance is true once in n times.
func chance(t *rapid.T, n int) bool {
	return rapid.IntRange(0, n-1).Draw(t, "chance") == n-1
}

func one[T any](t *rapid.T, of ...T) T {
	return rapid.SampledFrom(of).Draw(t, "one")
}

func ms(durations ...int) []time.Duration {
	times := make([]time.Duration, len(durations))
	for i, d := range durations {
		times[i] = time.Duration(d) * time.Millisecond
	}
	return times
}

func drawWebhook(t *rapid.T, giants bool) config.Webhook {
	w := config.Default().Webhook
	w.Enabled = true
	w.QueueSize = rapid.IntRange(config.MinQueueSize, 150).Draw(t, "queue_size")
	w.QueueBytes = one[config.ByteSize](t, 64<<20, 200<<10, 64<<10)
	w.DropPolicy = one(t, config.DropOldest, config.DropNewest)
	w.ShutdownTimeout = one(t, ms(30_000, 1000, 5000, 120_000)...)
	for i := range rapid.IntRange(1, 4).Draw(t, "endpoints") {
		w.Endpoints = append(w.Endpoints, drawEndpoint(t, giants, fmt.Sprintf("endpoint-%d", i)))
	}
	return w
}

func drawEndpoint(t *rapid.T, giants bool, name string) config.Endpoint {
	e := config.Endpoint{
		Name:         name,
		URL:          "http://receiver.test/",
		Events:       one(t, nil, nil, []string{"message.*"}, []string{"message.published", "client.connected"}, []string{"auth.*", "subscription.*", "authz.publish_denied"}),
		TopicFilters: one(t, nil, nil, nil, []string{"a/#"}, []string{"+/b", "c"}, []string{"#"}, []string{"$SYS/#"}),
		Timeout:      one(t, ms(5000, 100, 1000)...),
		Retry: config.Retry{
			MaxAttempts:     rapid.IntRange(1, 4).Draw(t, "max_attempts"),
			InitialInterval: one(t, ms(1000, 10, 100)...),
			MaxInterval:     one(t, ms(30_000, 1000, 2000)...),
			Multiplier:      one(t, 2, 1, 1.5, 3),
			MaxRetryAfter:   one(t, ms(300_000, 1000, 20_000)...),
			GiveUpAfter:     one(t, ms(3_600_000, 500, 2000, 20_000)...),
		},
		CircuitBreaker: config.CircuitBreaker{
			FailureThreshold:   rapid.IntRange(1, 5).Draw(t, "failure_threshold"),
			RejectionThreshold: one[config.RejectionThreshold](t, 20, 1, 2, 3, 5, config.NoRejectionThreshold),
			ResetTimeout:       one(t, ms(60_000, 200, 1000, 10_000)...),
		},
		Batch:      drawBatch(t),
		RateLimit:  one(t, config.RateLimit{}, config.RateLimit{}, config.RateLimit{}, config.RateLimit{PerSecond: 3, Burst: 2}, config.RateLimit{PerSecond: 0.5}, config.RateLimit{PerSecond: 100, Burst: 10}),
		MaxAge:     one(t, ms(0, 0, 0, 5000, 60_000)...),
		Workers:    rapid.IntRange(1, 4).Draw(t, "workers"),
		DropPolicy: one(t, "", config.DropOldest, config.DropNewest),
	}
	if giants || chance(t, 3) {
		e.QueueBytes = 64 << 10
	}
	if chance(t, 4) {
		impatient(t, &e)
	}
	return e
}

// impatient makes an endpoint that gives an event up soon that its receiver turns away.
func impatient(t *rapid.T, e *config.Endpoint) {
	e.Events, e.TopicFilters, e.MaxAge, e.RateLimit = nil, nil, 0, config.RateLimit{}
	e.Retry.InitialInterval, e.Retry.MaxInterval, e.Retry.Multiplier = 100*time.Millisecond, time.Second, 1
	e.Retry.GiveUpAfter = one(t, ms(500, 3000, 20_000)...)
	e.Workers++
}

func drawBatch(t *rapid.T) config.Batch {
	if chance(t, 2) {
		return config.Batch{}
	}
	return config.Batch{
		MaxEvents: rapid.IntRange(2, 12).Draw(t, "max_events"),
		MaxBytes:  one[config.ByteSize](t, 1<<20, 2000, 20_000),
		MaxWait:   one(t, ms(100, 1, 1000, 5000)...),
	}
}

func drawBehaviour(t *rapid.T) behaviour {
	if chance(t, 5) {
		return behaviour{latency: one(t, ms(0, 5)...), usual: well, poison: &unavailable, poisoned: 20}
	}
	b := behaviour{latency: one(t, ms(0, 5, 50, 300, 2000)...), usual: drawAnswer(t)}
	if chance(t, 4) {
		b.flap, b.other = one(t, ms(10, 100, 1000, 10_000)...), drawAnswer(t)
	}
	if chance(t, 2) {
		poison := rapid.SampledFrom(answers).Draw(t, "poison")
		b.poison, b.poisoned = &poison, one(t, 3, 3, 20)
	}
	if chance(t, 3) {
		b.rarely, b.oddly = rapid.IntRange(2, 5).Draw(t, "rarely"), drawAnswer(t)
	}
	if chance(t, 4) {
		b.most = rapid.IntRange(1, 5).Draw(t, "most")
	}
	return b
}

func drawAnswer(t *rapid.T) answer {
	if chance(t, 6) {
		return retryAfter(one(t, 429, 503), one(t, ms(1000, 0, 100, 10_000, 3_600_000)...))
	}
	if chance(t, 2) {
		return well
	}
	return rapid.SampledFrom(answers).Draw(t, "answer")
}

func drawStep(t *rapid.T, receivers int, giants bool) step {
	after := one(t, ms(0, 0, 1, 10, 100, 1000, 2000, 15_000, 70_000)...)
	return step{after, drawAction(t, receivers, giants)}
}

func drawAction(t *rapid.T, receivers int, giants bool) action {
	switch one(t, "one", "few", "turn", "few", "few", "turn", "burst", "few", "turn", "few", "silence", "one", "few", "turn", "burst", "few", "one", "turn", "replay", "replay", "trickle", "trickle", "closing") {
	case "one":
		return drawOffering(t, 1, giants)
	case "few":
		return drawOffering(t, rapid.IntRange(2, 20).Draw(t, "events"), giants)
	case "burst":
		return drawOffering(t, rapid.IntRange(50, 250).Draw(t, "events"), giants)
	case "trickle":
		return trickle{events: rapid.IntRange(10, 100).Draw(t, "events"), every: one(t, ms(10, 100, 1000, 20_000)...), spec: drawEvent(t, 0)}
	case "turn":
		return turn{rapid.IntRange(0, receivers-1).Draw(t, "receiver"), drawBehaviour(t)}
	case "replay":
		return replaying{rapid.IntRange(-1, receivers-1).Draw(t, "endpoint")}
	case "closing":
		return drawClosing(t)
	}
	return silence{}
}

// apart is a fraction of a millisecond that no attempt ends at (world.ending), and at which no timer of an endpoint rings.
const apart = 999_991

func drawClosing(t *rapid.T) closing {
	return closing{
		deadline: one(t, ms(0, 500, 5000, 20_000, 60_000)...),
		cancel:   one(t, never, never, 0, time.Millisecond+apart, 3*time.Second+apart),
	}
}

// drawOffering draws events that are alike, or with giants some that take much of a queue, or are too large for it.
func drawOffering(t *rapid.T, events int, giants bool) offering {
	o := offering{way: one(t, byNotify, byNotifyAll, byPID)}
	switch {
	case giants:
		o.apart = true
		for range min(events, 10) {
			o.events = append(o.events, drawEvent(t, one(t, 0, 20_000, 10_000, 40_000, 62_000, 65_500)))
		}
	case events == 1:
		o.events = []eventSpec{drawEvent(t, one(t, 0, 5000, 10_000))}
	default:
		spec := drawEvent(t, one(t, 0, 0, 500, 5000))
		spec.eventType = one(t, messages.TypeMessagePublished, messages.TypeMessageDelivered)
		for range events {
			o.events = append(o.events, spec)
		}
	}
	return o
}

func drawEvent(t *rapid.T, padding int) eventSpec {
	spec := eventSpec{
		eventType: one(t, messages.TypeMessagePublished, messages.TypeMessageDelivered, messages.TypeSubscriptionCreated,
			messages.TypeAuthzPublishDenied, messages.TypeAuthFailure, messages.TypeClientConnected),
		padding: padding,
	}
	switch spec.eventType {
	case messages.TypeAuthFailure, messages.TypeClientConnected:
	case messages.TypeSubscriptionCreated:
		spec.topic = one(t, "a/b", "$share/g/a/b", "a/#", "+/b", "c")
	default:
		spec.topic = one(t, "a", "a/b", "x/b", "a/b/c", "c", "$SYS/b")
	}
	return spec
}

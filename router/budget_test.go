package router

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestRoutingAllocatesNothing(t *testing.T) {
	table := distinctFilters(t, 1000, "site/%d/#")
	matcher := newMatcher(table)
	event := messages.NewEnvelope(&messages.MessagePublished{Topic: "site/500/temperature"})
	require.Len(t, matcher.match(event), 1)
	for name, route := range map[string]func(){
		"match":                      func() { matcher.match(event) },
		"wants a topic":              func() { table.wants(messages.TypeMessagePublished, "site/500/temperature") },
		"wants a topic nobody wants": func() { table.wants(messages.TypeMessagePublished, "site/x/temperature") },
		"wants a type that has none": func() { table.wants(messages.TypeAuthSuccess, "") },
		"wants an invalid type":      func() { table.wants(0, "") },
	} {
		require.Zero(t, testing.AllocsPerRun(100, route), name)
	}
}

var filterKinds = map[string]string{"exact": "site/%d/temperature", "plus": "site/%d/+", "hash": "site/%d/#"}

func BenchmarkRouting(b *testing.B) {
	for _, kind := range []string{"exact", "plus", "hash"} {
		for _, endpoints := range []int{10, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, endpoints), func(b *testing.B) {
				matcher := newMatcher(distinctFilters(b, endpoints, filterKinds[kind]))
				event := messages.NewEnvelope(&messages.MessagePublished{Topic: middleTopic(endpoints)})
				b.ReportAllocs()
				for b.Loop() {
					if len(matcher.match(event)) != 1 {
						b.Fatal("not routed")
					}
				}
			})
		}
	}
}

// BenchmarkOneFilterAfterAnother is what BenchmarkRouting is compared with.
func BenchmarkOneFilterAfterAnother(b *testing.B) {
	for _, kind := range []string{"exact", "plus", "hash"} {
		for _, endpoints := range []int{10, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, endpoints), func(b *testing.B) {
				var filters []messages.TopicFilter
				for _, endpoint := range distinctEndpoints(endpoints, filterKinds[kind]) {
					filter, err := messages.ParseTopicFilter(endpoint.TopicFilters[0])
					require.NoError(b, err)
					filters = append(filters, filter)
				}
				topic := middleTopic(endpoints)
				for b.Loop() {
					found := 0
					for _, filter := range filters {
						if filter.Matches(topic) {
							found++
						}
					}
					if found != 1 {
						b.Fatal("not found")
					}
				}
			})
		}
	}
}

// distinctFilters is the table of so many endpoints with a filter each, made of their numbers.
func distinctFilters(t testing.TB, endpoints int, filter string) *routingTable {
	t.Helper()
	table, err := newRoutingTable(distinctEndpoints(endpoints, filter))
	require.NoError(t, err)
	return table
}

func distinctEndpoints(n int, filter string) []config.Endpoint {
	endpoints := make([]config.Endpoint, n)
	for i := range endpoints {
		endpoints[i] = config.Endpoint{Name: fmt.Sprint(i), TopicFilters: []string{fmt.Sprintf(filter, i)}}
	}
	return endpoints
}

func middleTopic(endpoints int) string { return fmt.Sprintf("site/%d/temperature", endpoints/2) }

func BenchmarkWants(b *testing.B) {
	endpoints := distinctEndpoints(10_000, "site/%d/#")
	for i := range endpoints {
		endpoints[i].Events = []string{"message.*"}
	}
	table, err := newRoutingTable(endpoints)
	require.NoError(b, err)
	for name, asked := range map[string]struct {
		eventType messages.Type
		topic     string
		wanted    bool
	}{
		"unwanted type":  {messages.TypeClientConnected, "", false},
		"unwanted topic": {messages.TypeMessagePublished, "plant/5000/temperature", false},
		"unwanted level": {messages.TypeMessagePublished, "site/x/temperature", false},
		"wanted topic":   {messages.TypeMessagePublished, "site/5000/temperature", true},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if table.wants(asked.eventType, asked.topic) != asked.wanted {
					b.Fatal("wrong answer")
				}
			}
		})
	}
}

// delivering is a Sender whose endpoint takes everything at once.
type delivering struct{}

func (delivering) Close() {}
func (delivering) Send(context.Context, string, []*messages.Envelope) messages.Outcome {
	return messages.Outcome{Kind: messages.OutcomeDelivered, Status: 200, Sent: true}
}

func quietOptions() []Option {
	return []Option{
		WithLogger(slog.New(slog.DiscardHandler)),
		WithSenders(func(config.Endpoint) (actors.Sender, error) { return delivering{}, nil }),
	}
}

func quietSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

func publishedOnly() config.Config {
	cfg := config.Default()
	cfg.Webhook.Enabled = true
	cfg.Webhook.Endpoints = []config.Endpoint{{Name: "a", URL: "http://receiver.test/", Events: []string{"message.published"}}}
	return cfg
}

// parked is a dispatcher that never runs the actor, so that only what the caller of Notify does is seen.
type parked struct{}

func (parked) Schedule(func()) {}
func (parked) Throughput() int { return 1 }

func parkedHandle(t testing.TB) *Handle {
	t.Helper()
	router, err := newRouterActor(publishedOnly(), newOptions(quietOptions()))
	require.NoError(t, err)
	router.mailbox.RegisterHandlers(nil, parked{})
	return &Handle{router: router}
}

var notified = map[string]func() messages.Event{
	"wanted":   func() messages.Event { return &messages.MessagePublished{ClientID: "c", Topic: "site/1/temperature"} },
	"unwanted": func() messages.Event { return &messages.MessageRetained{Topic: "site/1/temperature"} },
}

func TestNotifyKeepsToItsBudgetOfAllocations(t *testing.T) {
	const runs, budget = 1000, 4
	for name, event := range notified {
		h := parkedHandle(t)
		building := testing.AllocsPerRun(runs, func() { event() })
		total := testing.AllocsPerRun(runs, func() { require.NoError(t, h.Notify(context.Background(), event())) })
		t.Logf("%s: %.0f allocations", name, total-building)
		require.LessOrEqual(t, total-building, float64(budget), name)
	}
}

// BenchmarkNotify measures the caller alone, the event's own allocation included.
func BenchmarkNotify(b *testing.B) {
	for name, event := range notified {
		b.Run(name, func(b *testing.B) {
			h := parkedHandle(b)
			b.ReportAllocs()
			for b.Loop() {
				_ = h.Notify(context.Background(), event())
			}
		})
	}
}

// BenchmarkHandOver measures the caller while the router and so many endpoints work on what it hands over: by Notify, by
// a message to the PID, and by Notify from as many goroutines as there are cores.
func BenchmarkHandOver(b *testing.B) {
	for _, wantedBy := range []int{0, 1, 10, 1000} {
		b.Run(fmt.Sprintf("notify/wanted by %d", wantedBy), func(b *testing.B) {
			h := spawnWanting(b, wantedBy)
			b.ReportAllocs()
			for b.Loop() {
				_ = h.Notify(context.Background(), notified["wanted"]())
			}
		})
		b.Run(fmt.Sprintf("pid/wanted by %d", wantedBy), func(b *testing.B) {
			h := spawnWanting(b, wantedBy)
			b.ReportAllocs()
			for b.Loop() {
				h.system.Root.Send(h.PID(), notified["wanted"]())
			}
		})
		b.Run(fmt.Sprintf("parallel/wanted by %d", wantedBy), func(b *testing.B) {
			h := spawnWanting(b, wantedBy)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_ = h.Notify(context.Background(), notified["wanted"]())
				}
			})
		})
	}
}

// spawnWanting starts a router with endpoints of which so many want the wanted event.
func spawnWanting(b *testing.B, wantedBy int) *Handle {
	b.Helper()
	cfg := publishedOnly()
	cfg.Webhook.Endpoints = distinctEndpoints(max(1, wantedBy), "plant/%d")
	for i := range cfg.Webhook.Endpoints {
		cfg.Webhook.Endpoints[i].URL = "http://receiver.test/"
		if wantedBy > 0 {
			cfg.Webhook.Endpoints[i].TopicFilters = nil
		}
	}
	h, err := Spawn(quietSystem(), cfg, quietOptions()...)
	require.NoError(b, err)
	b.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.Close(ended) // what is left is given up, on purpose
	})
	return h
}

package admin

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// exported are the router's families, with the labels and their values besides the endpoint.
var exported = map[string]labelValues{
	"webhookd_mailbox_offered_events_total":  {},
	"webhookd_mailbox_routed_events_total":   {},
	"webhookd_mailbox_unwanted_events_total": {},
	"webhookd_mailbox_dropped_events_total":  {"reason", dropReasons},
	"webhookd_mailbox_queued_events":         {},
	"webhookd_mailbox_queued_bytes":          {},

	"webhookd_dead_letters_deleted_total": {"reason", []string{"max_bytes", "max_age"}},

	"webhookd_endpoint_filter_errors_total":        {},
	"webhookd_endpoint_accepted_events_total":      {"origin", []string{"router", "store", "replay"}},
	"webhookd_endpoint_delivered_events_total":     {},
	"webhookd_endpoint_dropped_events_total":       {"reason", dropReasons},
	"webhookd_endpoint_dead_lettered_events_total": {"reason", []string{"rejected", "max_attempts", "give_up_after", "panic", "unknown_outcome", "shutdown", "max_age"}},
	"webhookd_endpoint_lost_events_total":          {},
	"webhookd_endpoint_held_events":                {"state", []string{"waiting", "in_flight", "retrying"}},
	"webhookd_endpoint_held_bytes":                 {},
	"webhookd_endpoint_attempts_total":             {"outcome", []string{"delivered", "rejected", "failed", "away", "throttled", "not_processed", "local"}},
	"webhookd_endpoint_request_duration_seconds":   {},
	"webhookd_endpoint_breaker_state":              {"state", []string{"closed", "open", "half_open"}},
}

// exportedOfAStore are the families of a router that has a store, besides.
var exportedOfAStore = map[string]labelValues{
	"webhookd_store_failing":             {},
	"webhookd_store_commits_total":       {"result", []string{"done", "failed"}},
	"webhookd_store_events_total":        {"fate", []string{"written", "spared"}},
	"webhookd_store_written_bytes_total": {},
	"webhookd_store_held_bytes":          {},
	"webhookd_store_pending_bytes":       {},
	"webhookd_store_file_bytes":          {"state", []string{"used", "free"}},
	"webhookd_store_dead_letters":        {},
	"webhookd_store_dead_letter_bytes":   {},
}

type labelValues struct {
	label  string
	values []string
}

var dropReasons = []string{"evicted", "refused", "too_large", "closed", "invalid", "panic", "damaged"}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	r := newRig(t, config.Endpoint{Name: "a", URL: newClosedPort(t)}, config.Endpoint{Name: "b", URL: newClosedPort(t)})
	scrape := r.scrape(t)
	for family, has := range exported {
		queues := 1
		if strings.HasPrefix(family, "webhookd_endpoint_") {
			queues = 2
		}
		require.Len(t, scrape.find(family, nil), queues*max(1, len(has.values)), family)
		for _, value := range has.values {
			require.Len(t, scrape.find(family, labels{has.label: value}), queues, "%s %s", family, value)
		}
		if family != "webhookd_endpoint_breaker_state" {
			require.Zero(t, scrape[family].GetMetric()[0].GetHistogram().GetSampleCount()+uint64(scrape.sum(t, family, nil)), family)
		}
	}
	require.Equal(t, 1.0, scrape.sum(t, "webhookd_endpoint_breaker_state", labels{"endpoint": "a", "state": "closed"}))
	require.Equal(t, 1.0, scrape.sum(t, "webhookd_endpoint_breaker_state", labels{"endpoint": "a"}))
	require.Equal(t, 1.0, scrape.sum(t, "webhookd_build_info", labels{"version": version}))
	require.Contains(t, scrape, "go_goroutines")
	require.Contains(t, scrape, "process_start_time_seconds")
}

func TestScrapeTellsWhatBecameOfEveryEvent(t *testing.T) {
	receiver := newReceiver(t)
	names := []string{"well", "fussy", "broken", "away"}
	r := newRig(t,
		config.Endpoint{Name: "well", URL: receiver + "/200", TopicFilters: []string{"well"}},
		config.Endpoint{Name: "fussy", URL: receiver + "/400", TopicFilters: []string{"fussy"}},
		config.Endpoint{Name: "broken", URL: receiver + "/500", TopicFilters: []string{"broken"}, Retry: config.Retry{MaxAttempts: 1}},
		config.Endpoint{Name: "away", URL: newClosedPort(t), TopicFilters: []string{"away"}, QueueSize: 100},
	)
	r.publish(t, "well", 20)
	r.publish(t, "fussy", 3)
	r.publish(t, "broken", 2)
	r.publish(t, "away", 150)
	r.publish(t, "nobody", 4)
	r.system.Root.Send(r.router.PID(), (*messages.AuthSuccess)(nil))
	require.Eventually(t, func() bool { return settled(r) }, patience, time.Millisecond)

	scrape := r.scrape(t)
	scrape.requireBalanced(t, names...)
	for _, want := range []struct {
		family string
		chosen labels
		value  float64
	}{
		{"webhookd_mailbox_offered_events_total", nil, 180},
		{"webhookd_mailbox_routed_events_total", nil, 175},
		{"webhookd_mailbox_unwanted_events_total", nil, 4},
		{"webhookd_mailbox_dropped_events_total", labels{"reason": "invalid"}, 1},
		{"webhookd_mailbox_queued_events", nil, 0},
		{"webhookd_mailbox_queued_bytes", nil, 0},

		{"webhookd_endpoint_accepted_events_total", labels{"endpoint": "well"}, 20},
		{"webhookd_endpoint_delivered_events_total", labels{"endpoint": "well"}, 20},
		{"webhookd_endpoint_attempts_total", labels{"endpoint": "well", "outcome": "delivered"}, 20},
		{"webhookd_endpoint_held_bytes", labels{"endpoint": "well"}, 0},
		{"webhookd_endpoint_breaker_state", labels{"endpoint": "well", "state": "closed"}, 1},

		{"webhookd_endpoint_dead_lettered_events_total", labels{"endpoint": "fussy", "reason": "rejected"}, 3},
		{"webhookd_endpoint_attempts_total", labels{"endpoint": "fussy", "outcome": "rejected"}, 3},
		{"webhookd_endpoint_lost_events_total", labels{"endpoint": "fussy"}, 0},

		{"webhookd_endpoint_dead_lettered_events_total", labels{"endpoint": "broken", "reason": "max_attempts"}, 2},
		{"webhookd_endpoint_attempts_total", labels{"endpoint": "broken", "outcome": "failed"}, 2},

		{"webhookd_endpoint_accepted_events_total", labels{"endpoint": "away"}, 150},
		{"webhookd_endpoint_dropped_events_total", labels{"endpoint": "away", "reason": "evicted"}, 50},
		{"webhookd_endpoint_held_events", labels{"endpoint": "away"}, 100},
		{"webhookd_endpoint_held_events", labels{"endpoint": "away", "state": "in_flight"}, 0},
		{"webhookd_endpoint_breaker_state", labels{"endpoint": "away", "state": "open"}, 1},
		{"webhookd_endpoint_breaker_state", labels{"endpoint": "away", "state": "closed"}, 0},
		{"webhookd_endpoint_breaker_state", labels{"endpoint": "away", "state": "half_open"}, 0},
	} {
		require.Equal(t, want.value, scrape.sum(t, want.family, want.chosen), "%s %v", want.family, want.chosen)
	}
	require.Positive(t, scrape.sum(t, "webhookd_endpoint_held_bytes", labels{"endpoint": "away"}))
	require.Positive(t, scrape.sum(t, "webhookd_endpoint_attempts_total", labels{"endpoint": "away", "outcome": "away"}))
	requireDurationsOfAttempts(t, scrape, "well", 20)
}

// settled tells whether nothing moves any more: three endpoints hold nothing, and the last one's breaker is open.
func settled(r rig) bool {
	stats := r.router.Stats()
	for _, endpoint := range stats.Endpoints[:3] {
		if endpoint.Accepted == 0 || endpoint.Held() > 0 || endpoint.Bytes > 0 {
			return false
		}
	}
	away := stats.Endpoints[3]
	return stats.Mailbox.Accepted == 180 && stats.Mailbox.Held() == 0 &&
		away.Accepted == 150 && away.Breaker == delivery.BreakerOpen && away.InFlight == 0
}

func requireDurationsOfAttempts(t *testing.T, scrape scrape, endpoint string, attempts int) {
	t.Helper()
	series := scrape.find("webhookd_endpoint_request_duration_seconds", labels{"endpoint": endpoint})
	require.Len(t, series, 1)
	took := series[0].GetHistogram()
	require.EqualValues(t, attempts, took.GetSampleCount())
	require.Positive(t, took.GetSampleSum())
	require.Len(t, took.GetBucket(), len(actors.DurationBuckets)+1, "the last bucket is +Inf")
	require.EqualValues(t, attempts, took.GetBucket()[len(actors.DurationBuckets)].GetCumulativeCount())
}

func TestShutdownIsInTheMetrics(t *testing.T) {
	r := newRig(t, config.Endpoint{Name: "away", URL: newClosedPort(t)})
	r.publish(t, "t", 10)
	r.stopRouter()
	require.ErrorIs(t, r.router.Notify(t.Context(), &messages.AuthSuccess{ClientID: "c"}), messages.ErrClosed)

	scrape := r.scrape(t)
	scrape.requireBalanced(t, "away")
	require.Equal(t, 1.0, scrape.sum(t, "webhookd_mailbox_dropped_events_total", labels{"reason": "closed"}))
	require.Equal(t, 10.0, scrape.sum(t, "webhookd_endpoint_dead_lettered_events_total", nil))
	require.Equal(t, 10.0, scrape.sum(t, "webhookd_endpoint_lost_events_total", nil))
	require.Zero(t, scrape.sum(t, "webhookd_endpoint_held_bytes", nil))
}

func TestEveryScrapeBalancesWhileEventsFlow(t *testing.T) {
	receiver := newReceiver(t)
	names := []string{"well", "fussy", "broken", "away"}
	r := newRig(t,
		config.Endpoint{Name: "well", URL: receiver + "/200", QueueSize: 100},
		config.Endpoint{Name: "fussy", URL: receiver + "/400"},
		config.Endpoint{Name: "broken", URL: receiver + "/500", Retry: config.Retry{MaxAttempts: 1}},
		config.Endpoint{Name: "away", URL: newClosedPort(t), QueueSize: 100},
	)
	stop, publishing := make(chan struct{}), sync.WaitGroup{}
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default: // a refusal is in the account, too
				_ = r.router.Notify(t.Context(), &messages.MessagePublished{ClientID: "c", Topic: "t"})
			}
		}
	})
	defer publishing.Wait()
	defer close(stop)
	offered := 0.0
	for range 50 {
		scrape := r.scrape(t)
		scrape.requireBalanced(t, names...)
		before := offered
		offered = scrape.sum(t, "webhookd_mailbox_offered_events_total", nil)
		require.GreaterOrEqual(t, offered, before)
	}
	require.Positive(t, offered)
}

func TestMetricsKeepPrometheusConventions(t *testing.T) {
	r := newRig(t, config.Endpoint{Name: "a", URL: newClosedPort(t)})
	registry, err := newRegistry(r.router, version)
	require.NoError(t, err)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)

	problems, err = testutil.CollectAndLint(routerCollector{r.router}, slices.Collect(maps.Keys(exported))...)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestTwoServersLiveInOneProgram(t *testing.T) {
	first, second := newRig(t, config.Endpoint{Name: "a", URL: newClosedPort(t)}), newRig(t)
	require.NotEmpty(t, first.scrape(t).find("webhookd_endpoint_held_bytes", labels{"endpoint": "a"}))
	require.NotContains(t, second.scrape(t), "webhookd_endpoint_held_bytes", "it has no endpoint")
}

func TestScrapeThatFailsIsLogged(t *testing.T) {
	var logged bytes.Buffer
	handler := newMetricsHandler(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return nil, errors.New("collected twice")
	}), slog.NewLogLogger(slog.NewTextHandler(&logged, nil), slog.LevelWarn))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusInternalServerError, recorder.Code)
	require.Contains(t, logged.String(), "collected twice")
}

func TestScrapesAtOneTimeAreBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	handler := newMetricsHandler(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		entered <- struct{}{}
		<-release
		return nil, nil
	}), slog.NewLogLogger(discardLog.Handler(), slog.LevelWarn))
	scrape := func() int {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return recorder.Code
	}
	statuses := make(chan int, maxScrapes)
	for range maxScrapes {
		go func() { statuses <- scrape() }()
		<-entered
	}
	require.Equal(t, http.StatusServiceUnavailable, scrape())
	close(release)
	for range maxScrapes {
		require.Equal(t, http.StatusOK, <-statuses)
	}
}

package admin

import (
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// scrape is what one GET /metrics says: the families by their names.
type scrape map[string]*dto.MetricFamily

// labels choose metrics: those that have all of them.
type labels map[string]string

func (r rig) scrape(t *testing.T) scrape {
	t.Helper()
	got := r.ask(t, http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Contains(t, got.header.Get("Content-Type"), "text/plain; version=0.0.4")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(got.body))
	require.NoError(t, err)
	return families
}

// sum adds up the counters or gauges of a family; a scrape that has none is an error.
func (s scrape) sum(t *testing.T, family string, chosen labels) float64 {
	t.Helper()
	total := 0.0
	found := s.find(family, chosen)
	require.NotEmpty(t, found, "%s %v", family, chosen)
	for _, metric := range found {
		total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	}
	return total
}

func (s scrape) find(family string, chosen labels) []*dto.Metric {
	var found []*dto.Metric
	for _, metric := range s[family].GetMetric() {
		if chosen.match(metric) {
			found = append(found, metric)
		}
	}
	return found
}

func (l labels) match(metric *dto.Metric) bool {
	matched := 0
	for _, pair := range metric.GetLabel() {
		if value, chosen := l[pair.GetName()]; chosen && value == pair.GetValue() {
			matched++
		}
	}
	return matched == len(l)
}

// requireBalanced checks that every event is accounted for, in the mailbox and at each of these endpoints.
func (s scrape) requireBalanced(t *testing.T, endpoints ...string) {
	t.Helper()
	require.Equal(t, s.sum(t, "webhookd_mailbox_offered_events_total", nil),
		s.sum(t, "webhookd_mailbox_routed_events_total", nil)+
			s.sum(t, "webhookd_mailbox_unwanted_events_total", nil)+
			s.sum(t, "webhookd_mailbox_dropped_events_total", nil)+
			s.sum(t, "webhookd_mailbox_queued_events", nil),
		"offered = routed + unwanted + dropped + queued")
	for _, name := range endpoints {
		endpoint := labels{"endpoint": name}
		require.Equal(t, s.sum(t, "webhookd_endpoint_accepted_events_total", endpoint),
			s.sum(t, "webhookd_endpoint_delivered_events_total", endpoint)+
				s.sum(t, "webhookd_endpoint_dropped_events_total", endpoint)+
				s.sum(t, "webhookd_endpoint_dead_lettered_events_total", endpoint)+
				s.sum(t, "webhookd_endpoint_held_events", endpoint),
			"%s: accepted = delivered + dropped + dead-lettered + held", name)
	}
}

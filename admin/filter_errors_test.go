package admin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestFilterThatFailsIsInTheMetrics(t *testing.T) {
	r := newRig(t,
		config.Endpoint{Name: "a", URL: newReceiver(t), When: "1 / data.qos == 1"},
		config.Endpoint{Name: "b", URL: newReceiver(t)})
	r.publish(t, "t", 3)
	const family = "webhookd_endpoint_filter_errors_total"
	require.Eventually(t, func() bool { return r.scrape(t).sum(t, family, labels{"endpoint": "a"}) == 3 }, patience, time.Millisecond)
	require.Zero(t, r.scrape(t).sum(t, family, labels{"endpoint": "b"}))
}

package admin

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/source/mqttbroker"
)

func TestBrokersFiguresAreMetrics(t *testing.T) {
	r := newRig(t)
	scrape := r.scrape(t)
	require.EqualValues(t, 12, scrape.sum(t, "webhookd_mqtt_broker_bytes", labels{"use": "retained"}))
	require.EqualValues(t, 34, scrape.sum(t, "webhookd_mqtt_broker_refused_total", labels{"reason": "queue"}))
	require.Error(t, r.ShowBroker(fullBroker{}))
}

func TestBrokersMetricsAreDescribedBeforeTheyAreCollected(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(brokerCollector{fullBroker{}}))
	_, err := registry.Gather()
	require.NoError(t, err)
}

// fullBroker has the uses and reasons of a real one.
type fullBroker struct{}

func (fullBroker) Used() map[string]int64 {
	used := newBroker().Used()
	used["retained"] = 12
	return used
}

func (fullBroker) Refused() map[string]uint64 {
	refused := newBroker().Refused()
	refused["queue"] = 34
	return refused
}

func newBroker() *mqttbroker.Broker {
	broker, err := mqttbroker.New(config.MQTTBroker{}, "node-1", nil, discardLog)
	if err != nil {
		panic(err)
	}
	return broker
}

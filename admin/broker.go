package admin

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Broker is an embedded MQTT broker, as its metrics see it. Each of its maps always has the same keys.
type Broker interface {
	Used() map[string]int64     // bytes of memory, by use
	Refused() map[string]uint64 // what there was no room for, by reason
}

// ShowBroker adds the metrics of an embedded broker. It fails when it is called twice.
func (s *Server) ShowBroker(broker Broker) error {
	if err := s.registry.Register(brokerCollector{broker}); err != nil {
		return fmt.Errorf("register the broker's metrics: %w", err)
	}
	return nil
}

type brokerCollector struct{ broker Broker }

// Describe implements prometheus.Collector.
func (brokerCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- brokerUsed
	descriptions <- brokerRefused
}

// Collect implements prometheus.Collector.
func (c brokerCollector) Collect(metrics chan<- prometheus.Metric) {
	to := sink(metrics)
	for use, bytes := range c.broker.Used() {
		to.gauge(brokerUsed, float64(bytes), use)
	}
	for reason, count := range c.broker.Refused() {
		to.counter(brokerRefused, count, reason)
	}
}

var (
	brokerUsed = prometheus.NewDesc("webhookd_mqtt_broker_bytes",
		"Memory that the embedded broker takes, by use.", []string{"use"}, nil)
	brokerRefused = prometheus.NewDesc("webhookd_mqtt_broker_refused_total",
		"What the embedded broker had no room for, by reason.", []string{"reason"}, nil)
)

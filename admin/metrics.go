package admin

import (
	"fmt"
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fluxmq/webhookd/router"
)

// maxScrapes is how many scrapes are answered at one time; more get 503.
const maxScrapes = 8

// newRegistry gathers all metrics of one server: the router's, the process's and Go's.
func newRegistry(handle *router.Handle, version string) (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	for _, collector := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newBuildInfo(version),
		routerCollector{handle},
	} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register the metrics: %w", err)
		}
	}
	return registry, nil
}

func newBuildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "webhookd_build_info",
		Help:        "Always 1; the label tells which webhookd runs.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
}

func newMetricsHandler(metrics prometheus.Gatherer, errorLog *log.Logger) http.Handler {
	return promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorLog: errorLog, MaxRequestsInFlight: maxScrapes})
}

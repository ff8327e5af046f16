package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestNineHundredEndpointsFeelNothingOfAHundredDeadOnes(t *testing.T) {
	t.Parallel()
	const living, refused, hung = 900, 50, 50
	const timeout = 5 * time.Second // more than a thousand deliveries at once need on a busy machine
	healthy, silent := newStopwatch(t), newBrokenReceiver(t, neverAnswer)
	var endpoints []string
	for i := range living {
		endpoints = append(endpoints, endpoint(fmt.Sprintf("healthy-%d", i), fmt.Sprintf("%s/%d", healthy.URL, i), "calm, storm"))
	}
	for i := range refused {
		endpoints = append(endpoints, endpoint(fmt.Sprintf("refused-%d", i), refusing, "storm"))
	}
	for i := range hung {
		endpoints = append(endpoints, endpoint(fmt.Sprintf("hung-%d", i), silent, "storm"))
	}
	p := webhookd.Run(t, webhookd.IngestConfig("workers: 1\n"+settings(timeout), endpoints...))
	audit(t, p)

	tick(p, "calm", 1, 1)
	healthy.lap(t, living) // its connections are open now
	tick(p, "calm", 2, 3)
	calm := healthy.lap(t, 3*living)
	tick(p, "storm", 5, 5)
	requirePrompt(t, calm, healthy.lap(t, 5*living), timeout)

	samples, err := p.Metrics()
	require.NoError(t, err)
	for name, account := range accounts(samples) {
		if !strings.HasPrefix(name, "healthy-") && name != "" {
			require.Equal(t, 5, account["held"], name)
		}
	}
}

// tick posts count events, beginning with e<first>, one in 750 ms: each goes to hundreds of endpoints.
func tick(p *webhookd.Process, topic string, first, count int) {
	pace := time.NewTicker(750 * time.Millisecond)
	defer pace.Stop()
	for id := first; id < first+count; id++ {
		p.Post(topic, id, id)
		<-pace.C
	}
}

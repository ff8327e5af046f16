package faults

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

// account is the events of a queue in one scrape, by what the metric's name says of them: "accepted", "held".
type account map[string]int

// accounts are those of all queues: by the endpoint's name, and "" for the mailbox.
func accounts(samples map[string]float64) map[string]account {
	all := map[string]account{}
	for sample, value := range samples {
		family, labels, _ := strings.Cut(sample, "{")
		family, _, counts := strings.Cut(family, "_events")
		if !counts {
			continue
		}
		queue := endpointOf(labels)
		if all[queue] == nil {
			all[queue] = account{}
		}
		all[queue][strings.TrimPrefix(strings.TrimPrefix(family, "webhookd_endpoint_"), "webhookd_mailbox_")] += int(value)
	}
	return all
}

func endpointOf(labels string) string {
	_, name, _ := strings.Cut(labels, `endpoint="`)
	name, _, _ = strings.Cut(name, `"`)
	return name
}

// missing is the events of which a queue does not say what became of them.
func (a account) missing() int {
	mailbox := a["offered"] - a["routed"] - a["unwanted"] - a["queued"]
	endpoint := a["accepted"] - a["delivered"] - a["dead_lettered"] - a["held"]
	return mailbox + endpoint - a["dropped"]
}

func accountOf(t *testing.T, p *webhookd.Process, endpoint string) account {
	t.Helper()
	samples, err := p.Metrics()
	require.NoError(t, err)
	return accounts(samples)[endpoint]
}

// awaitAll waits until this is what became of all events of the endpoint: "held", "delivered".
func awaitAll(t *testing.T, p *webhookd.Process, endpoint, fate string, events int) {
	t.Helper()
	webhookd.Eventually(t, func() bool { return accountOf(t, p, endpoint)[fate] == events }, "all events are "+fate)
	require.Equal(t, events, accountOf(t, p, endpoint)["accepted"])
}

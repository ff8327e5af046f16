package demo

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// account is what one endpoint's metrics say.
type account struct{ accepted, delivered, held, dropped, deadLettered int }

// readAccounts asks the admin side.
func readAccounts(admin string) (map[string]*account, error) {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get("http://" + admin + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	accounts := map[string]*account{"steady": {}, "flaky": {}}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		name, labels, _ := strings.Cut(series, "{")
		if err != nil {
			continue // a comment
		}
		for endpoint, a := range accounts {
			if strings.Contains(labels, `endpoint="`+endpoint+`"`) {
				a.add(name, int(value))
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return accounts, nil
}

func (a *account) add(metric string, value int) {
	switch metric {
	case "webhookd_endpoint_accepted_events_total":
		a.accepted += value
	case "webhookd_endpoint_delivered_events_total":
		a.delivered += value
	case "webhookd_endpoint_held_events":
		a.held += value
	case "webhookd_endpoint_dropped_events_total":
		a.dropped += value
	case "webhookd_endpoint_dead_lettered_events_total":
		a.deadLettered += value
	}
}

package admin

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestEveryMetricIsDocumented(t *testing.T) {
	documentation := documentation(t)
	for name, family := range documentedScrape(t) {
		if strings.HasPrefix(name, "webhookd_") {
			require.Contains(t, documentation, fmt.Sprintf("\n| `%s` | %s |", name, strings.ToLower(family.GetType().String())))
		}
	}
}

func TestEveryLabelAndItsValuesAreDocumented(t *testing.T) {
	documentation := documentation(t)
	for name, family := range documentedScrape(t) {
		if !strings.HasPrefix(name, "webhookd_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				require.Contains(t, documentation, "`"+label.GetName()+"`", name)
				if label.GetName() != "endpoint" && label.GetName() != "version" {
					require.Contains(t, documentation, "`"+label.GetValue()+"`", name)
				}
			}
		}
	}
}

func TestDocumentedMetricsExist(t *testing.T) {
	scrape := documentedScrape(t)
	for _, name := range regexp.MustCompile(`webhookd_\w+`).FindAllString(documentation(t), -1) {
		require.Contains(t, scrape, name)
	}
}

func documentedScrape(t *testing.T) scrape {
	t.Helper()
	r, _ := newStoreRig(t, config.Endpoint{Name: "a", URL: newClosedPort(t)})
	return r.scrape(t)
}

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	return string(text)
}

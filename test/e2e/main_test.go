// Package e2e tests the real program from outside: real MQTT clients on one side, a real HTTP server on the other.
package e2e

import (
	"os"
	"testing"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestMain(m *testing.M) {
	os.Exit(webhookd.BuildAndTest(m))
}

package httpclient

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/fluxmq/webhookd/messages"
	"github.com/stretchr/testify/require"
)

func TestAdviceOnAStatusNamesWhatToCheck(t *testing.T) {
	for status, part := range map[int]string{
		302: "write the final address into url",
		400: "check what it expects",
		401: "check auth and headers",
		403: "check auth and headers",
		404: "check url",
		405: "check url",
		407: "check the user and the password in proxy",
		408: "look into its log",
		410: "check url",
		413: "lower max_payload_bytes",
		418: "check what it expects",
		422: "check what it expects",
		425: "look into its log",
		429: "set rate_limit",
		500: "look into its log",
		502: "check that it runs",
		503: "check that it runs",
		504: "check that it runs",
		101: "leads to a receiver of webhooks",
		999: "leads to a receiver of webhooks",
	} {
		require.Contains(t, Advice((answers{}).interpret(status, nil, retryAfterNow)), part, "status %d", status)
	}
}

func TestAdviceOnAFailureToConnectNamesWhatToCheck(t *testing.T) {
	for part, err := range map[string]error{
		"check url and the name servers":         &net.DNSError{Err: "no answer", IsTimeout: true},
		"check url, the network and the proxies": fmt.Errorf("tunnel: %w", errors.New("Bad Gateway")),
	} {
		require.Contains(t, Advice(messages.Outcome{Kind: messages.OutcomeAway, Err: err}), part)
	}
}

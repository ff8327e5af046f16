package httpclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// proxyTest names the environment variable that makes a test process a mere deliverOnce: net/http reads the proxy of
// the environment once in a process.
const proxyTest = "WEBHOOKD_PROXY_TEST"

func TestProxyOfTheEnvironmentIsUsed(t *testing.T) {
	var requests []received
	proxy := serve(t, record(&requests))

	require.Equal(t, "delivered <nil>", deliverThrough(t, proxy.URL))

	require.Len(t, requests, 1)
	require.Equal(t, "http://receiver.example/hook", requests[0].address)
}

func TestProxyThatRefusesTheTunnelIsAway(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	})
	address, err := url.Parse("http://user:topsecret@" + proxy.Listener.Addr().String())
	require.NoError(t, err)
	client := clientOf(t, "https://receiver.example/hook")
	client.transport.Proxy = http.ProxyURL(address)

	outcome := client.sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.ErrorContains(t, outcome.Err, "Proxy Authentication Required")
	require.NotContains(t, outcome.Err.Error(), "topsecret")
}

func TestProxyWritesNoLongErrors(t *testing.T) {
	proxy := listen(t, answering("HTTP/1.1 502 "+strings.Repeat("x", 2000)+"\r\n\r\n"))
	address, err := url.Parse(proxy)
	require.NoError(t, err)
	client := clientOf(t, "https://receiver.example/hook")
	client.transport.Proxy = http.ProxyURL(address)

	outcome := client.sendEvent(t.Context(), newEvent(t, 0))

	requireAway(t, outcome)
	require.LessOrEqual(t, len(outcome.Err.Error()), maxErrorBytes+len("…"))
}

// deliverThrough makes a delivery in a process whose environment names the proxy, and returns what became of it.
func deliverThrough(t *testing.T, proxy string) string {
	t.Helper()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), proxyTest+"=1", "HTTP_PROXY="+proxy, "http_proxy="+proxy)
	output, err := process.CombinedOutput()
	require.NoError(t, err, "%s", output)
	_, result, _ := strings.Cut(string(output), "result: ")
	result, _, _ = strings.Cut(result, "\n")
	return result
}

func deliverOnce() {
	client, err := New(endpointAt("http://receiver.example/hook"))
	if err != nil {
		fmt.Println("result:", err)
		return
	}
	defer client.Close()
	outcome := client.sendEvent(context.Background(), messages.NewEnvelope(&messages.AuthSuccess{ClientID: "publisher-1"}))
	fmt.Println("result:", outcome.Kind, outcome.Err)
}

package network_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/network"
)

// A request that egress denies gets no answer, but an error and advice.
func ExampleNew() {
	endpoint := config.Endpoint{URL: "http://169.254.169.254/latest", Workers: 1, Timeout: time.Second, Proxy: config.ProxyDirect}
	address, err := url.Parse(endpoint.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	toEndpoint, err := network.New(endpoint, address, slog.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer toEndpoint.Close()

	transport := toEndpoint.Acquire()
	defer transport.Release()
	_, err = transport.RoundTrip(&http.Request{Method: http.MethodPost, URL: address, Header: http.Header{}})

	fmt.Println(err)
	fmt.Println(network.Advice(err, false))
	// Output:
	// egress: 169.254.169.254 is a link-local address, which egress.allow does not hold
	// nothing is sent to that address: check url and proxy, or write it into egress.allow if it is meant
}

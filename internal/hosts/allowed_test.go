package hosts

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	onLoopback = "127.0.0.1:9090"
	everywhere = "0.0.0.0:9090"
)

func TestListenerGoesByItsHosts(t *testing.T) {
	const badHost = `the Host "%s" is not allowed: allowed_hosts may add it`
	loopbackNames := []string{
		"localhost", "localhost:9090", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.1:80", "127.255.1.2:9090", "[::1]", "[::1]:9090",
		"[0:0:0:0:0:0:0:1]:9090", "[::ffff:127.0.0.1]:9090",
	}
	strangers := []string{
		"evil.example", "evil.example:9090", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example", "a.localhost",
		"webhookd", "0.0.0.0:9090", "128.0.0.1", "10.0.0.7:9090", "[::2]:9090", "[::]:9090", "127.1", "user@localhost",
	}
	names := []string{"webhookd", "webhookd:9090", "Webhookd.Monitoring.svc.cluster.local.:9090"}
	addresses := []string{"10.0.0.7:9090", "203.0.113.7", "[2001:db8::7]:9090", "[2001:db8::7]"}
	more := []string{"webhookd", "webhookd.monitoring.svc.cluster.local"}
	for _, c := range []struct {
		listen           string
		more             []string
		allowed, refused [][]string
	}{
		{onLoopback, nil, [][]string{loopbackNames}, [][]string{strangers, names, addresses}},
		{"[::1]:9090", nil, [][]string{loopbackNames}, [][]string{strangers}},
		{"localhost:9090", nil, [][]string{loopbackNames}, [][]string{strangers}},
		{onLoopback, more, [][]string{loopbackNames, names}, [][]string{addresses, {"evil.example", "webhookd.evil.example"}}},
		{onLoopback, []string{"10.0.0.7", "2001:DB8::7"}, [][]string{loopbackNames, {"10.0.0.7:80", "[2001:db8::7]"}}, [][]string{names, {"10.0.0.8"}}},
		{everywhere, nil, [][]string{loopbackNames, strangers, names, addresses}, nil},
		{":9090", nil, [][]string{loopbackNames, strangers, names, addresses}, nil},
		{everywhere, more, [][]string{loopbackNames, names, addresses}, [][]string{{"evil.example", "webhookd.evil.example"}}},
		{"webhookd:9090", []string{"other"}, [][]string{loopbackNames, {"webhookd", "other:1"}, addresses}, [][]string{{"evil.example"}}},
	} {
		allowed := NewAllowed(c.listen, c.more)
		require.NoError(t, allowed.Check(request("")), "HTTP/1.0")
		for _, hosts := range c.allowed {
			for _, host := range hosts {
				require.NoError(t, allowed.Check(request(host)), "%s %v: %s", c.listen, c.more, host)
			}
		}
		for _, hosts := range c.refused {
			for _, host := range hosts {
				require.EqualError(t, allowed.Check(request(host)), strings.Replace(badHost, "%s", hostOf(host), 1), "%s %v", c.listen, c.more)
			}
		}
	}
}

func TestRequestForAPageOfAnotherSiteIsRefused(t *testing.T) {
	const otherSite, sites = "the request is made for a page of another site", "Sec-Fetch-Site"
	for name, c := range map[string]struct {
		listen  string
		more    []string
		host    string
		header  []string // names and values by turns
		problem string
	}{
		"no browser":                       {onLoopback, nil, "localhost:9090", nil, ""},
		"a page of this machine":           {onLoopback, nil, "127.0.0.1:9090", []string{"Origin", "http://localhost:3000", sites, "cross-site"}, ""},
		"a page by its address":            {onLoopback, nil, "localhost", []string{"Origin", "https://[::1]:3000"}, ""},
		"a page of a stranger":             {onLoopback, nil, "localhost:9090", []string{"Origin", "https://evil.example"}, `, "https://evil.example": allowed_hosts may add its host`},
		"a stranger that looks like one":   {onLoopback, nil, "localhost:9090", []string{"Origin", "http://localhost.evil.example"}, otherSite},
		"a page without an origin":         {onLoopback, nil, "localhost:9090", []string{"Origin", "null"}, `, "null"`},
		"an empty origin":                  {onLoopback, nil, "localhost:9090", []string{"Origin", ""}, otherSite},
		"an origin that is none":           {onLoopback, nil, "localhost:9090", []string{"Origin", "http://[::1"}, otherSite},
		"two origins":                      {onLoopback, nil, "localhost:9090", []string{"Origin", "http://localhost", "Origin", "http://evil.example"}, otherSite},
		"an origin added":                  {onLoopback, []string{"dash.example"}, "localhost:9090", []string{"Origin", "https://Dash.example:8443", sites, "cross-site"}, ""},
		"a link of another site":           {onLoopback, nil, "localhost:9090", []string{sites, "cross-site"}, otherSite + " (Sec-Fetch-Site: cross-site)"},
		"said twice":                       {onLoopback, nil, "localhost:9090", []string{sites, "none", sites, "cross-site"}, otherSite},
		"an address typed in":              {onLoopback, nil, "localhost:9090", []string{sites, "none"}, ""},
		"a page of the same site":          {onLoopback, nil, "localhost:9090", []string{sites, "same-site"}, ""},
		"its own page":                     {everywhere, nil, "webhookd:9090", []string{"Origin", "http://webhookd:9090", sites, "same-origin"}, ""},
		"its own page, capitals":           {everywhere, nil, "webhookd:9090", []string{"Origin", "http://WebHookd:9090"}, ""},
		"another port of its host":         {everywhere, nil, "webhookd:9090", []string{"Origin", "http://webhookd:3000"}, otherSite},
		"an address of a stranger":         {everywhere, nil, "10.0.0.7:9090", []string{"Origin", "http://203.0.113.7"}, otherSite},
		"another page's loopback":          {everywhere, nil, "10.0.0.7:9090", []string{"Origin", "http://localhost:3000"}, otherSite},
		"a link to another address":        {everywhere, nil, "webhookd:9090", []string{sites, "cross-site"}, otherSite},
		"an origin added to other hosts":   {everywhere, []string{"dash.example"}, "10.0.0.7:9090", []string{"Origin", "https://dash.example"}, ""},
		"a stranger beside an origin":      {everywhere, []string{"dash.example"}, "10.0.0.7:9090", []string{"Origin", "https://evil.example"}, otherSite},
		"rebound to a listener with hosts": {everywhere, []string{"dash.example"}, "evil.example:9090", []string{"Origin", "http://evil.example:9090"}, `the Host "evil.example"`},
	} {
		r := request(c.host)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Add(c.header[i], c.header[i+1])
		}
		err := NewAllowed(c.listen, c.more).Check(r)
		if c.problem == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.problem, name)
		}
	}
}

func FuzzHostOfALoopbackListener(f *testing.F) {
	for _, host := range []string{"localhost:9090", "[::1]:80", "127.0.0.1", "evil.example", "[localhost", "::1", "127.0.0.1.", ":", "[::1%lo]:1"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		allowed := NewAllowed(onLoopback, nil)
		err := allowed.CheckHost(request(host))
		if err != nil {
			require.Less(t, len(err.Error()), 1100, "a sender does not decide how long the answer is")
			return
		}
		own := strings.Trim(strings.ToLower(hostOf(host)), ".[]")
		require.True(t, own == "" || own == "localhost" || strings.HasPrefix(own, "127.") || strings.ContainsRune(own, ':'), host)
	})
}

func request(host string) *http.Request { return &http.Request{Host: host, Header: http.Header{}} }

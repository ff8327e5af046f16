package httpclient

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// nameServer answers queries for IPv4 addresses over UDP. Each query for a name takes the next of its answers; the last
// one stays.
type nameServer struct {
	mutex   sync.Mutex
	answers map[string][][]string
}

// resolverOf makes a resolver that asks a name server of the test's own.
func resolverOf(t *testing.T, answers map[string][][]string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	server, done := &nameServer{answers: answers}, make(chan struct{})
	go func() {
		defer close(done)
		server.serve(socket)
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func (s *nameServer) serve(socket net.PacketConn) {
	query := make([]byte, 1500)
	for {
		size, from, err := socket.ReadFrom(query)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(query[:size]) != nil || len(message.Questions) != 1 {
			continue
		}
		if answer, err := s.answer(message); err == nil {
			_, _ = socket.WriteTo(answer, from)
		}
	}
}

func (s *nameServer) answer(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	addresses, known := s.next(strings.TrimSuffix(question.Name.String(), "."), question.Type)
	if !known {
		answer.RCode = dnsmessage.RCodeNameError
	}
	for _, address := range addresses {
		answer.Answers = append(answer.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
		})
	}
	return answer.Pack()
}

func (s *nameServer) next(name string, kind dnsmessage.Type) (addresses []string, known bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	answers, known := s.answers[name]
	if !known || kind != dnsmessage.TypeA {
		return nil, known
	}
	if len(answers) > 1 {
		s.answers[name] = answers[1:]
	}
	return answers[0], true
}

// clientOfName is a client of a server on loopback that it knows by a name with these answers.
func clientOfName(t *testing.T, server string, answers ...[]string) *Client {
	t.Helper()
	return clientOfGuardedName(t, config.Egress{}, server, answers...)
}

func clientOfGuardedName(t *testing.T, egress config.Egress, server string, answers ...[]string) *Client {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server, "http://"))
	require.NoError(t, err)
	endpoint := endpointAt("http://receiver.test:" + port)
	endpoint.Egress = egress
	client := newClient(t, endpoint)
	client.network.Dialer().Resolver = resolverOf(t, map[string][][]string{"receiver.test": answers})
	return client
}

func requireDenied(t *testing.T, outcome messages.Outcome) *network.DeniedError {
	t.Helper()
	require.Equal(t, messages.OutcomeRejected, outcome.Kind, "%v", outcome.Err)
	require.Zero(t, outcome.Status)
	require.False(t, outcome.Sent)
	require.Contains(t, Advice(outcome), "egress.allow")
	var denied *network.DeniedError
	require.ErrorAs(t, outcome.Err, &denied)
	return denied
}

func TestNameThatComesToMeanADeniedAddressIsRejected(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	client, event := clientOfName(t, server.URL, []string{"127.0.0.1"}, []string{"169.254.169.254"}), newEvent(t, 0)

	require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
	outcome := client.sendEvent(t.Context(), event)

	requireDenied(t, outcome)
	require.EqualError(t, outcome.Err,
		"egress: 169.254.169.254 (of receiver.test) is a link-local address, which egress.allow does not hold")
}

func TestConnectionThatIsOpenWasCheckedWhenItWasMade(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	client, event := clientOfName(t, server.URL, []string{"127.0.0.1"}, []string{"169.254.169.254"}), newEvent(t, 0)

	for range 3 {
		require.Equal(t, messages.OutcomeDelivered, client.sendEvent(t.Context(), event).Kind)
	}
}

func TestPermittedAddressBesideDeniedOnesIsDialled(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, addresses := range [][]string{
		{"169.254.169.254", "127.0.0.1"}, {"127.0.0.1", "169.254.169.254"}, {"169.254.1.1", "100.100.100.200", "127.0.0.1"},
	} {
		outcome := clientOfName(t, server.URL, addresses).sendEvent(t.Context(), newEvent(t, 0))

		require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	}
}

func TestHostWithOnlyDeniedAddressesIsRejected(t *testing.T) {
	client := clientOfName(t, "http://127.0.0.1:80", []string{"169.254.169.254", "100.100.100.200", "169.254.1.1"})

	denied := requireDenied(t, client.sendEvent(t.Context(), newEvent(t, 0)))

	require.Equal(t, "receiver.test", denied.Host)
}

func TestPermittedAddressThatFailsBesideDeniedOnesIsAway(t *testing.T) {
	egress := config.Egress{Deny: []string{"127.0.0.1/32"}}
	for _, addresses := range [][]string{{"127.0.0.1", "127.0.0.2"}, {"127.0.0.2", "127.0.0.1"}} {
		client := clientOfGuardedName(t, egress, "http://"+closedPort(t), addresses)

		outcome := client.sendEvent(t.Context(), newEvent(t, 0))

		requireAway(t, outcome)
		require.NotErrorAs(t, outcome.Err, new(*network.DeniedError))
		require.Contains(t, Advice(outcome), "check")
	}
}

func TestAddressInAnySpellingIsDenied(t *testing.T) {
	for _, host := range []string{
		"169.254.169.254", "[::ffff:a9fe:a9fe]", "[::ffff:169.254.169.254]", "[::a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]",
		"[2002:a9fe:a9fe::1]", "[fe80::1%25lo]", "[fd00:ec2::254]",
	} {
		requireDenied(t, clientOf(t, "http://"+host).sendEvent(t.Context(), newEvent(t, 0)))
	}
}

// A resolver of the system may take these for addresses; here the name server does.
func TestNumberThatAResolverTakesForAnAddressIsNotDialled(t *testing.T) {
	answers := map[string][][]string{}
	hosts := []string{"0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "169.254.43518", "169.16689662", "169.254.169.254."}
	for _, host := range hosts {
		answers[host] = [][]string{{"169.254.169.254"}}
	}
	resolver := resolverOf(t, answers)
	for _, host := range hosts {
		client := clientOf(t, "http://"+host)
		client.network.Dialer().Resolver = resolver

		outcome := client.sendEvent(t.Context(), newEvent(t, 0))

		if outcome.Kind == messages.OutcomeAway { // Go takes it for no name at all
			require.ErrorAs(t, outcome.Err, new(*net.DNSError), host)
			continue
		}
		requireDenied(t, outcome)
	}
}

func TestAllowListIsEveryDeniedAndSomeAllowed(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	endpoint := endpointAt(server.URL)
	endpoint.Egress.Deny = []string{"0.0.0.0/0", "::/0"}

	requireDenied(t, newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0)))
	endpoint.Egress.Allow = []string{"127.0.0.0/8"}
	outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
}

func TestAddressOfTheProxyIsCheckedToo(t *testing.T) {
	for _, proxy := range []config.Secret{
		"http://user:topsecret@169.254.169.254:3128", "https://user:topsecret@169.254.169.254", "socks5://user:topsecret@169.254.169.254:1080",
	} {
		for _, url := range []string{"http://receiver.example", "https://receiver.example"} {
			endpoint := endpointAt(url)
			endpoint.Proxy = proxy

			outcome := newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 0))

			require.Equal(t, "169.254.169.254", requireDenied(t, outcome).Host)
			require.NotContains(t, outcome.Err.Error(), "topsecret")
		}
	}
}

func TestAllThatIsWrongWithAnEndpointIsToldAtOnce(t *testing.T) {
	endpoint := endpointAt("http://receiver.example")
	endpoint.Secrets = []config.Secret{"none"}
	endpoint.Egress.Deny = []string{"none"}
	endpoint.Proxy = "none"
	endpoint.Auth = &config.Auth{BearerFile: "/nowhere"}

	problems := keyErrors(t, endpoint)

	require.ElementsMatch(t, []string{"secrets[0]", "egress.deny[0]", "proxy", "auth.bearer_file"}, slices.Collect(maps.Keys(problems)))
}

// keyErrors is what New finds wrong, by key.
func keyErrors(t *testing.T, endpoint config.Endpoint) map[string]string {
	t.Helper()
	_, err := New(endpoint, quiet)
	require.Error(t, err)
	problems := map[string]string{}
	collectKeyErrors(t, err, problems)
	return problems
}

func collectKeyErrors(t *testing.T, err error, problems map[string]string) {
	t.Helper()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			collectKeyErrors(t, one, problems)
		}
		return
	}
	var inKey *config.KeyError
	require.True(t, errors.As(err, &inKey), "%v", err)
	problems[inKey.Key] = inKey.Err.Error()
}

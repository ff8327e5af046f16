package httpclient

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func gzipEndpoint(url string) config.Endpoint {
	endpoint := endpointAt(url)
	endpoint.Compression = config.CompressionGzip
	return endpoint
}

func gunzip(t testing.TB, body string) string {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	text, err := io.ReadAll(reader)
	require.NoError(t, err)
	return string(text)
}

func TestBodyOfAKibibyteIsCompressed(t *testing.T) {
	var requests []received
	var lengths []int64
	keep := record(&requests)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		lengths = append(lengths, r.ContentLength)
		keep(w, r)
	})
	event := newEvent(t, 2000)

	outcome := newClient(t, gzipEndpoint(server.URL)).sendEvent(t.Context(), event)

	require.Equal(t, messages.OutcomeDelivered, outcome.Kind)
	require.Len(t, requests, 1)
	require.Equal(t, []string{"gzip"}, requests[0].header["Content-Encoding"])
	require.Equal(t, []string{"application/json"}, requests[0].header["Content-Type"])
	require.Equal(t, []int64{int64(len(requests[0].body))}, lengths)
	require.Less(t, len(requests[0].body), 1000)
	require.Equal(t, string(event.Body()), gunzip(t, requests[0].body))
}

func TestBodyIsCompressedWhereThatPays(t *testing.T) {
	random := make([]byte, 4096)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for name, c := range map[string]struct {
		compressor compressor
		body       []byte
		compressed bool
	}{
		"1 KiB":                     {"gzip", bytes.Repeat([]byte("a"), 1024), true},
		"a byte less":               {"gzip", bytes.Repeat([]byte("a"), 1023), false},
		"nothing":                   {"gzip", nil, false},
		"what gzip makes no less":   {"gzip", random, false},
		"compression is none":       {"none", bytes.Repeat([]byte("a"), 4096), false},
		"compression is not said":   {"", bytes.Repeat([]byte("a"), 4096), false},
		"more than a gzip's window": {"gzip", bytes.Repeat([]byte("abcdefg"), 100_000), true},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			sent := c.compressor.compress(header, c.body)

			if c.compressed {
				require.Equal(t, http.Header{"Content-Encoding": {"gzip"}}, header)
				require.Less(t, len(sent), len(c.body))
				require.Equal(t, string(c.body), gunzip(t, string(sent)))
			} else {
				require.Empty(t, header)
				require.Equal(t, c.body, sent)
			}
		})
	}
}

func TestEveryAttemptSendsTheSameCompressedBytes(t *testing.T) {
	body, other := typicalBatch(t, 300), bytes.Repeat([]byte("other"), 50_000)
	first := compressor("gzip").compress(http.Header{}, body)
	var senders sync.WaitGroup
	for range 4 { // writers that have compressed something else before
		senders.Go(func() {
			for range 25 {
				compressor("gzip").compress(http.Header{}, other)
				if !bytes.Equal(first, compressor("gzip").compress(http.Header{}, body)) {
					t.Error("the bytes differ")
				}
			}
		})
	}
	senders.Wait()
}

func TestSignatureIsOverTheBodyBeforeCompression(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	endpoint := gzipEndpoint(server.URL)
	endpoint.Secrets = []config.Secret{vectorSecret}

	newClient(t, endpoint).sendEvent(t.Context(), newEvent(t, 2000))

	require.Len(t, requests, 1)
	require.Error(t, verifySignature(t, vectorSecret, requests[0].body, requests[0].header))
	require.NoError(t, verifySignature(t, vectorSecret, gunzip(t, requests[0].body), requests[0].header))
}

func FuzzCompress(f *testing.F) {
	f.Add([]byte("a"), uint16(2000))
	f.Add([]byte{0, 255}, uint16(1))
	f.Fuzz(func(t *testing.T, text []byte, times uint16) {
		if len(text)*int(times) > 1<<20 {
			return
		}
		header, body := http.Header{}, bytes.Repeat(text, int(times))
		sent := compressor("gzip").compress(header, body)
		require.LessOrEqual(t, len(sent), len(body))
		if header.Get("Content-Encoding") == "gzip" {
			require.Equal(t, string(body), gunzip(t, string(sent)))
		} else {
			require.Equal(t, body, sent)
		}
	})
}

// typicalBatch is a batch of so many readings of sensors.
func typicalBatch(t testing.TB, events int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	items := make([][]byte, events)
	for i := range items {
		payload, err := json.Marshal(map[string]any{"temperature": 20 + 10*random.Float64(), "humidity": random.IntN(100), "sequence": i})
		require.NoError(t, err)
		event := messages.NewEnvelope(&messages.MessagePublished{
			ClientID: fmt.Sprintf("sensor-%04d", random.IntN(1000)),
			Topic:    fmt.Sprintf("site/%d/room/%d/climate", random.IntN(5), random.IntN(40)),
			QoS:      1, Payload: payload,
		})
		admission := messages.Admission{BrokerID: "broker-1", IncludePayload: true, MaxPayloadBytes: 1000}
		require.NoError(t, event.Admit(admission, time.Unix(1_770_000_000, int64(i)*1_234_567)))
		items[i] = event.Body()
	}
	return slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]"))
}

// BenchmarkCompress tells what is left of a batch, too.
func BenchmarkCompress(b *testing.B) {
	for _, events := range []int{5, 100, 3000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			body := typicalBatch(b, events)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var sent []byte
			for b.Loop() {
				sent = compressor("gzip").compress(http.Header{}, body)
			}
			b.ReportMetric(float64(len(sent))/float64(len(body)), "of-its-size")
		})
	}
}

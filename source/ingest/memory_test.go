package ingest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// TestHostileBodiesTakeNoMoreThanTheirRoom sends many bodies of each shape at once, three times what there is room for. The
// heap may grow by three times the room: what is in use, as much again that is not yet collected, and what net/http takes.
func TestHostileBodiesTakeNoMoreThanTheirRoom(t *testing.T) {
	const (
		length = 1 << 20
		atOnce = 24
		factor = 3
	)
	s := start(t, &recorder{}, func(s *Server) {
		s.maxBodyBytes, s.maxEvents, s.room = length, 1_000_000, newRoom(roomBytes(length))
		s.router = discarding{}
	})
	const (
		jsonType, linesType = "application/json", "application/x-ndjson"
		publishedHead       = `{"event_type":"message.published","data":{"client_id":"c","topic":"t",`
		failure             = `{"event_type":"auth.failure","data":{}}`
	)
	mostProperties := `{"event_type":"message.published","data":{"client_id":"c","topic":"t","user_properties":[` +
		strings.Repeat("{},", messages.MaxUserProperties-1) + "{}]}}"
	for name, c := range map[string]struct {
		contentType, begin, piece, end string
		answers                        []int
	}{
		"tiny objects":         {jsonType, publishedHead + `"user_properties":[`, "{},", "{}]}}", []int{400}},
		"nested":               {jsonType, publishedHead + `"user_properties":`, "[", "", []int{400}},
		"nested in the data":   {jsonType, `{"event_type":"auth.failure","data":`, `{"a":`, "", []int{400}},
		"escapes":              {jsonType, publishedHead + `"content_type":"`, `\u0000`, `"}}`, []int{400}},
		"a payload":            {jsonType, publishedHead + `"payload":"`, "AAAA", `"}}`, []int{202}},
		"an escaped payload":   {jsonType, publishedHead + `"payload":"`, `\u0041\u0041\u0041\u0041`, `"}}`, []int{202}},
		"digits":               {jsonType, publishedHead + `"qos":`, "1", "}}", []int{400}},
		"keys again":           {jsonType, publishedHead, `"topic":"t",`, `"qos":1}}`, []int{400}},
		"an unknown field":     {jsonType, publishedHead + `"x":[`, `{"a":0},`, "0]}}", []int{400}},
		"a long key":           {jsonType, publishedHead + `"`, `\u0061`, `":1}}`, []int{400}},
		"elements":             {jsonType, "[" + failure, "," + failure, "]", []int{202, 413}},
		"most properties":      {jsonType, "[" + mostProperties, "," + mostProperties, "]", []int{413}},
		"lines":                {linesType, "", failure + "\n", "", []int{202, 413}},
		"lines of properties":  {linesType, "", mostProperties + "\n", "", []int{413}},
		"blank lines":          {linesType, failure, "\n", "", []int{202}},
		"space":                {jsonType, failure, " ", "", []int{202}},
		"a body that is ended": {jsonType, "[" + failure, "," + failure, "", []int{400, 413}},
	} {
		t.Run(name, func(t *testing.T) {
			body := c.begin + strings.Repeat(c.piece, (length-len(c.begin)-len(c.end))/len(c.piece)) + c.end
			head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n"+
				"Content-Length: %d\r\n\r\n", path, token, c.contentType, len(body))
			text := []byte(head + body)
			base := heap()
			var senders sync.WaitGroup
			for range atOnce {
				senders.Go(func() {
					status := sendRaw(t, s, text)
					assert.Contains(t, append(c.answers, http.StatusServiceUnavailable), status)
				})
			}
			ended := make(chan struct{})
			go func() { senders.Wait(); close(ended) }()
			most := watchHeap(ended)
			t.Logf("%.1f of the room", float64(most-base)/float64(s.room.whole))
			require.LessOrEqual(t, most-base, factor*s.room.whole)
			s.requireRoomEmpty(t)
		})
	}
}

// sendRaw sends the text without a copy of it, and returns the answer's status.
func sendRaw(t *testing.T, s started, text []byte) (status int) {
	connection, err := net.Dial("tcp", s.Addr().String())
	if !assert.NoError(t, err) {
		return 0
	}
	defer connection.Close()
	assert.NoError(t, connection.SetDeadline(time.Now().Add(4*patience)))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = connection.Write(text) // who is refused early can't send it all
	}()
	first := make([]byte, len("HTTP/1.1 202"))
	_, err = io.ReadFull(connection, first)
	assert.NoError(t, err)
	_, err = fmt.Sscanf(string(first), "HTTP/1.1 %d", &status)
	assert.NoError(t, err)
	_ = connection.Close()
	<-sent
	return status
}

func heap() int64 {
	runtime.GC()
	return heapInUse()
}

func heapInUse() int64 {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapInuse)
}

// watchHeap is the most that the heap takes until then.
func watchHeap(until <-chan struct{}) (most int64) {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		most = max(most, heapInUse())
		select {
		case <-until:
			return most
		case <-look.C:
		}
	}
}

// discarding is a router that takes everything.
type discarding struct{}

func (discarding) NotifySafe(context.Context, ...*messages.Envelope) error { return nil }

// TestEventTakesNoMoreThanItsRoom reads events many times, and keeps them.
func TestEventTakesNoMoreThanItsRoom(t *testing.T) {
	const times = 500
	for _, text := range []string{
		`{"event_type":"auth.failure","data":{}}`,
		event("e-1"),
		`{"event_type":"message.published","data":{"client_id":"c","topic":"t","payload":"` + strings.Repeat("AAAA", 1000) + `"}}`,
		`{"event_type":"message.published","data":{"client_id":"c","topic":"t","user_properties":[` +
			strings.Repeat("{},", messages.MaxUserProperties-1) + "{}]}}",
	} {
		kept := make([]*messages.Envelope, times)
		before := heapAllocated()
		for i := range kept {
			var err error
			kept[i], err = messages.ParseEnvelope([]byte(text))
			require.NoError(t, err)
		}
		require.LessOrEqual(t, heapAllocated()-before, times*unfoldedBytes([]byte(text)), "%.60s", text)
		runtime.KeepAlive(kept)
	}
}

func TestEventThatIsRefusedForItsPropertiesTakesNoRoomForThem(t *testing.T) {
	most := int64(envelopeBytes + objectBytes*(messages.MaxUserProperties+2))
	for objects, want := range map[int]int64{
		2:                              envelopeBytes + 2*objectBytes + 4,
		messages.MaxUserProperties + 2: most + 2*(messages.MaxUserProperties+2),
		100_000:                        most + 200_000,
	} {
		require.Equal(t, want, unfoldedBytes([]byte(strings.Repeat("{}", objects))))
	}
}

func heapAllocated() int64 {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}

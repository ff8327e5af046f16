package httpclient

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEventThatGoesAloneIsSentFromItsOwnBytes(t *testing.T) {
	event := newEvent(t, 1000)

	made, err := contentOf(t, endpointAt("http://receiver.example"), event)

	require.NoError(t, err)
	require.Same(t, &event.Body()[0], &made.body[0])
}

func TestBatchIsAnArrayOfTheEvents(t *testing.T) {
	var requests []received
	server := serve(t, record(&requests))
	endpoint := endpointAt(server.URL)
	endpoint.Batch.MaxEvents = 10
	events := allAdmitted(t, everyEvent(nasty)...)
	client := newClient(t, endpoint)

	client.Send(t.Context(), "batch-1", events[:1])
	client.Send(t.Context(), "batch-2", events[:2])

	require.Len(t, requests, 2)
	first, second := string(events[0].Body()), string(events[1].Body())
	require.Equal(t, "["+first+"]", requests[0].body)
	require.Equal(t, "["+first+","+second+"]", requests[1].body)
	require.Equal(t, []string{"batch-2"}, requests[1].header["Webhook-Id"])
	require.Equal(t, []string{"application/json"}, requests[1].header["Content-Type"])
}

package format

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEventThatGoesAloneIsSentFromItsOwnBytes(t *testing.T) {
	event := newEvent(t, 1000)

	made, err := contentOf(t, endpointAt("http://receiver.example"), event)

	require.NoError(t, err)
	require.Same(t, &event.Body()[0], &made.Body[0])
}

func TestBatchIsAnArrayOfTheEvents(t *testing.T) {
	endpoint := endpointAt("http://receiver.example")
	endpoint.Batch.MaxEvents = 10
	events := allAdmitted(t, everyEvent(t, nasty)...)
	first, second := string(events[0].Body()), string(events[1].Body())

	require.Equal(t, "["+first+"]", bodyOf(t, endpoint, events[:1]...))
	require.Equal(t, "["+first+","+second+"]", bodyOf(t, endpoint, events[:2]...))
}

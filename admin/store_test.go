package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/storetest"
)

// newStoreRig is a rig whose router has a store, on a disk that can fail.
func newStoreRig(t *testing.T, endpoints ...config.Endpoint) (rig, *storetest.Disk) {
	t.Helper()
	disk := storetest.NewDisk()
	hold(t, disk, "gone")
	cfg := config.Default()
	cfg.Webhook.Endpoints = endpoints
	kept, err := store.Open(disk.Keeper(), cfg.Store, cfg.DeadLetters, discardLog)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	return newRigOf(t, cfg, router.WithStore(kept)), disk
}

// hold has a disk hold an event for an endpoint, as an earlier run left it.
func hold(t *testing.T, disk *storetest.Disk, endpoint string) {
	t.Helper()
	event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})
	require.NoError(t, event.Admit(messages.Admission{BrokerID: "b"}, time.Now()))
	place := delivery.Place{Class: messages.ClassMessage, Number: 1}
	record := store.EndpointRecord{Kept: delivery.Kept{Last: 1}, Account: store.Account{Accepted: 1}}
	record.Held[place.Class] = delivery.Volume{Events: 1, Bytes: int64(event.Size())}
	_, err := disk.Keeper().Commit(&store.Group{
		Events:    []store.EventRecord{{Number: 1, Event: event}},
		Holds:     []store.HoldRecord{{Endpoint: endpoint, Place: place, Event: 1, Size: event.Size(), At: time.Now()}},
		Endpoints: map[string]store.EndpointRecord{endpoint: record},
	})
	require.NoError(t, err)
}

func TestEverySeriesOfAStoreIsThereFromTheStart(t *testing.T) {
	plain := newRig(t, config.Endpoint{Name: "a", URL: newClosedPort(t)}).scrape(t)
	r, _ := newStoreRig(t, config.Endpoint{Name: "a", URL: newClosedPort(t)})
	scrape := r.scrape(t)
	for family, has := range exportedOfAStore {
		require.NotContains(t, plain, family)
		require.Len(t, scrape.find(family, nil), max(1, len(has.values)), family)
		for _, value := range has.values {
			require.Len(t, scrape.find(family, labels{has.label: value}), 1, "%s %s", family, value)
		}
	}
}

func TestScrapeTellsWhatTheStoreKeeps(t *testing.T) {
	r, _ := newStoreRig(t, config.Endpoint{Name: "away", URL: newClosedPort(t)}, config.Endpoint{Name: "fussy", URL: newReceiver(t) + "/400", TopicFilters: []string{"fussy"}})
	for range 3 {
		require.NoError(t, r.router.NotifySafe(t.Context(), messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})))
	}
	scrape := r.scrape(t)
	require.Equal(t, 1.0, scrape.sum(t, "webhookd_absent_endpoint_held_events", labels{"endpoint": "gone"}))
	require.Equal(t, 3.0, scrape.sum(t, "webhookd_store_events_total", labels{"fate": "written"}))
	require.Zero(t, scrape.sum(t, "webhookd_store_pending_bytes", nil))
	require.Greater(t, scrape.sum(t, "webhookd_store_held_bytes", nil), scrape.sum(t, "webhookd_endpoint_held_bytes", labels{"endpoint": "away"}), "the absent endpoint's, too")
	require.GreaterOrEqual(t, scrape.sum(t, "webhookd_store_commits_total", labels{"result": "done"}), 1.0)
	require.Zero(t, scrape.sum(t, "webhookd_store_commits_total", labels{"result": "failed"}))

	require.NoError(t, r.router.NotifySafe(t.Context(), messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "fussy"})))
	require.Eventually(t, func() bool { return r.scrape(t).sum(t, "webhookd_store_dead_letters", nil) == 1 }, patience, 10*time.Millisecond)
	require.Positive(t, r.scrape(t).sum(t, "webhookd_store_dead_letter_bytes", nil))
}

func TestProgramIsNotReadyWhileItsStoreFails(t *testing.T) {
	r, disk := newStoreRig(t, config.Endpoint{Name: "away", URL: newClosedPort(t)})
	r.SetReady(true)
	readiness := func() (int, string) {
		response, err := r.client.Get("http://" + r.Addr().String() + "/readyz")
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text)
	}
	status, _ := readiness()
	require.Equal(t, http.StatusOK, status)

	disk.Fail(func(*store.Group) error { return errors.New("disk full") })
	event := messages.NewEnvelope(&messages.MessagePublished{ClientID: "c", Topic: "t"})
	require.ErrorIs(t, r.router.NotifySafe(context.Background(), event), messages.ErrUnavailable)
	status, text := readiness()
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "not ready: the store keeps nothing at present\n", text)
	require.Equal(t, 1.0, r.scrape(t).sum(t, "webhookd_store_failing", nil))

	disk.Fail(nil)
	require.Eventually(t, func() bool { status, _ := readiness(); return status == http.StatusOK }, patience, 10*time.Millisecond)
	require.Zero(t, r.scrape(t).sum(t, "webhookd_store_failing", nil))
}

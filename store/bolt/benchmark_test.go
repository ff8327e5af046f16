package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

const (
	manyEvents = 1_000_000
	groupOf    = 512
	bodyBytes  = 400
)

// manyRecord is an event with a body of 400 bytes, made without its JSON being written.
func manyRecord(b *testing.B, number uint64, body []byte) (store.EventRecord, store.HoldRecord) {
	id := uuid.UUID{}
	binary.BigEndian.PutUint64(id[:], number)
	own := append(append(make([]byte, 0, bodyBytes), id.String()...), body[36:]...)
	envelope, err := messages.StoredEnvelope(messages.Stored{
		Type: messages.TypeMessagePublished, ID: id.String(), Timestamp: time.Now(), BrokerID: "broker", Topic: "a/b/c", Size: 500, Body: own,
	})
	require.NoError(b, err)
	return store.EventRecord{Number: number, Event: envelope}, store.HoldRecord{
		Endpoint: "a", Event: number, Size: 500, At: time.Now(), Place: delivery.Place{Number: number},
	}
}

func perSecond(b *testing.B, what string, begun time.Time) {
	b.ReportMetric(float64(manyEvents)/time.Since(begun).Seconds(), what+"/s")
}

func fileMegabytes(b *testing.B, dir, what string) {
	info, err := os.Stat(pathOf(dir))
	require.NoError(b, err)
	b.ReportMetric(float64(info.Size())/1e6, what)
}

// BenchmarkMillionHeldEvents appends a million events, reads them in order and settles them, as an endpoint does that was
// away: run it with -benchtime 1x.
func BenchmarkMillionHeldEvents(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		k := openKeeper(b, dir)
		appendMany(b, k)
		fileMegabytes(b, dir, "MB-held")
		unclean := copyStore(b, dir)
		begun := time.Now()
		require.NoError(b, k.Close())
		b.ReportMetric(time.Since(begun).Seconds(), "s-close")
		k = reopened(b, dir, "s-open-closed")
		killed := reopened(b, unclean, "s-open-killed")
		require.NoError(b, killed.Close())
		readMany(b, k)
		settleMany(b, k)
		fileMegabytes(b, dir, "MB-settled")
		begun = time.Now()
		require.NoError(b, k.Compact())
		b.ReportMetric(time.Since(begun).Seconds(), "s-compact")
		fileMegabytes(b, dir, "MB-compacted")
		require.NoError(b, k.Close())
	}
}

func appendMany(b *testing.B, k *Keeper) {
	body := make([]byte, bodyBytes)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	begun := time.Now()
	for from := uint64(1); from <= manyEvents; from += groupOf {
		var group store.Group
		for n := from; n < from+groupOf && n <= manyEvents; n++ {
			event, h := manyRecord(b, n, body)
			group.Events, group.Holds = append(group.Events, event), append(group.Holds, h)
		}
		_, err := k.Commit(&group)
		require.NoError(b, err)
	}
	perSecond(b, "appended", begun)
}

func reopened(b *testing.B, dir, what string) *Keeper {
	begun := time.Now()
	k := openKeeper(b, dir)
	_, err := k.Held("a", 0, delivery.Volume{Events: 1})
	require.NoError(b, err)
	b.ReportMetric(time.Since(begun).Seconds(), what)
	return k
}

func readMany(b *testing.B, k *Keeper) {
	begun := time.Now()
	for after := uint64(0); after < manyEvents; {
		found, err := k.Held("a", after, delivery.Volume{Events: groupOf, Bytes: 1 << 30})
		require.NoError(b, err)
		require.NotEmpty(b, found.Events)
		after = found.Through
	}
	perSecond(b, "read", begun)
}

func settleMany(b *testing.B, k *Keeper) {
	begun := time.Now()
	for from := uint64(1); from <= manyEvents; from += groupOf {
		var group store.Group
		for n := from; n < from+groupOf && n <= manyEvents; n++ {
			group.Ends = append(group.Ends, store.EndRecord{Endpoint: "a", Place: delivery.Place{Number: n}})
		}
		_, err := k.Commit(&group)
		require.NoError(b, err)
	}
	perSecond(b, "settled", begun)
}

// BenchmarkPageOfAMillionLetters lists a page in the middle of a million letters by every filter that has an index.
func BenchmarkPageOfAMillionLetters(b *testing.B) {
	k := openKeeper(b, b.TempDir())
	defer k.Close()
	middle := giveUpMany(b, k)
	for name, filter := range map[string]store.DeadLetterFilter{
		"All":             {},
		"Endpoint":        {Endpoint: "rare"},
		"Type":            {Type: "message.retained"},
		"EndpointAndType": {Endpoint: "rare", Type: "message.retained"},
		"Since":           {Since: middle.Time},
		"Until":           {Until: middle.Time, Endpoint: "rare"},
		"Text":            {Error: "no such text"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := k.Letters(context.Background(), store.DeadLetterQuery{DeadLetterFilter: filter, Limit: 100})
				require.NoError(b, err)
			}
		})
	}
}

// giveUpMany gives up a million events, a second apart; every thousandth is of another endpoint, and of another type.
func giveUpMany(b *testing.B, k *Keeper) (middle *store.DeadLetter) {
	body := make([]byte, 64)
	begun := time.Now().Add(-manyEvents * time.Second)
	for from := uint64(1); from <= manyEvents; from += 10 * groupOf {
		var group store.Group
		for n := from; n < from+10*groupOf && n <= manyEvents; n++ {
			event, h := manyRecord(b, n, body)
			at := begun.Add(time.Duration(n) * time.Second)
			letter := &store.DeadLetter{ID: uuid.UUID(idAt(at)), Endpoint: "a", Event: event.Event, Reason: "rejected", LastError: fmt.Sprint("answered ", n), Time: at}
			letter.ID[6], letter.ID[8] = 7<<4, 2<<6
			if n%1000 == 0 {
				stored := event.Event.Stored()
				stored.Type = messages.TypeMessageRetained
				letter.Event, _ = messages.StoredEnvelope(stored)
				letter.Endpoint, h.Endpoint = "rare", "rare"
			}
			if n == manyEvents/2 {
				middle = letter
			}
			group.Events, group.Holds = append(group.Events, event), append(group.Holds, h)
			group.Letters = append(group.Letters, store.LetterRecord{Place: h.Place, Letter: letter})
		}
		_, err := k.Commit(&group)
		require.NoError(b, err)
	}
	return middle
}

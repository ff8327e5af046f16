package bolt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

var everything = delivery.Volume{Events: 1 << 30, Bytes: 1 << 50}

// holdOf is an event, and a hold of it at the same number.
func holdOf(t testing.TB, endpoint string, number uint64, payload int) (store.EventRecord, store.HoldRecord) {
	envelope := messages.NewEnvelope(&messages.MessagePublished{Topic: "a/b", ClientID: "c", Payload: bytes.Repeat([]byte{byte(number)}, payload)})
	envelope.ID = fmt.Sprintf("event-%d", number)
	require.NoError(t, envelope.Admit(messages.Admission{BrokerID: "b", IncludePayload: true, MaxPayloadBytes: 1 << 20}, time.Now()))
	event := store.EventRecord{Number: number, Event: envelope}
	return event, store.HoldRecord{
		Endpoint: endpoint, Event: number, Size: envelope.Size(), At: time.Now(),
		Place: delivery.Place{Class: messages.ClassMessage, Number: number},
	}
}

// fill has a keeper hold events for two endpoints, some of them shared, and gives some up; many ended before.
func fill(t testing.TB, k *Keeper, events int) {
	t.Helper()
	accounts := map[string]*store.EndpointRecord{"a": newAccount(), "b": newAccount()}
	for from := 0; from < events; from += 100 {
		group := store.Group{Endpoints: map[string]store.EndpointRecord{}}
		for n := uint64(from + 1); n <= uint64(from+100); n++ {
			event, h := holdOf(t, "a", n, int(n%400))
			h.Shared = n%5 == 0
			group.Events = append(group.Events, event)
			accept(&group, accounts, h)
			switch {
			case h.Shared:
				h.Endpoint = "b"
				accept(&group, accounts, h)
			case n%7 == 0:
				group.Letters = append(group.Letters, store.LetterRecord{Place: h.Place, Letter: &store.DeadLetter{
					ID: uuid.Must(uuid.NewV7()), Endpoint: "a", Event: event.Event, Reason: "rejected", Time: time.Now(),
				}})
				accounts["a"].Account.DeadLettered["rejected"]++
				count(accounts["a"], h, -1)
			case n%3 == 0:
				group.Ends = append(group.Ends, store.EndRecord{Endpoint: "a", Place: h.Place})
				accounts["a"].Account.Delivered++
				count(accounts["a"], h, -1)
			}
		}
		for name, account := range accounts {
			group.Endpoints[name] = *account
		}
		_, err := k.Commit(&group)
		require.NoError(t, err)
	}
}

func newAccount() *store.EndpointRecord {
	return &store.EndpointRecord{Account: store.Account{DeadLettered: map[string]uint64{}}}
}

func accept(group *store.Group, accounts map[string]*store.EndpointRecord, h store.HoldRecord) {
	group.Holds = append(group.Holds, h)
	account := accounts[h.Endpoint]
	account.Last = h.Number
	account.Account.Accepted++
	count(account, h, 1)
}

func count(account *store.EndpointRecord, h store.HoldRecord, by int) {
	account.Held[h.Class].Events += by
	account.Held[h.Class].Bytes += int64(by * h.Size)
}

// contents is the ids of all events that can be read, by who has them; those that are damaged are told by number.
type contents map[string]map[string]bool

func contentsOf(t testing.TB, k *Keeper) contents {
	t.Helper()
	all := contents{"letters": {}}
	endpoints, err := k.Endpoints()
	require.NoError(t, err)
	for name := range endpoints {
		all[name] = map[string]bool{}
		found, err := k.Held(name, 0, everything)
		require.NoError(t, err)
		for _, event := range found.Events {
			all[name][event.Event.ID] = true
		}
		for _, damaged := range found.Damaged {
			require.Error(t, damaged.Err)
			all[name][fmt.Sprintf("event-%d", damaged.Number)] = false
		}
	}
	page, err := k.Letters(context.Background(), store.DeadLetterQuery{Limit: 1 << 20})
	require.NoError(t, err)
	for _, letter := range page.Letters {
		_, err := k.Letter(context.Background(), letter.ID)
		all["letters"][letter.EventID] = err == nil
	}
	return all
}

func pathOf(dir string) string { return filepath.Join(dir, fileName) }

// copyStore copies the files of a store, as kill -9 would leave them.
func copyStore(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{fileName, closedName} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if name == closedName && os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, name), text, 0o600))
	}
	return to
}

// TestFlippedBytesCostNoOtherEvent: what can't be read is at most what was flipped, a page at a time, and never a panic.
func TestFlippedBytesCostNoOtherEvent(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprint("closed ", clean), func(t *testing.T) {
			dir := t.TempDir()
			k := openKeeper(t, dir)
			fill(t, k, 2000)
			whole := contentsOf(t, k)
			if clean {
				require.NoError(t, k.Close())
			} else {
				defer k.Close()
			}
			text, err := os.ReadFile(pathOf(dir))
			require.NoError(t, err)
			for seed := range uint64(rounds) {
				random := rand.New(rand.NewPCG(seed, 1))
				damaged := copyStore(t, dir)
				flipped := bytes.Clone(text)
				at := random.IntN(len(text))
				flipped[at] ^= byte(1 + random.IntN(255))
				require.NoError(t, os.WriteFile(pathOf(damaged), flipped, 0o600))
				requireReadable(t, damaged, whole, fmt.Sprintf("seed %d, byte %d of page %d", seed, at%4096, at/4096))
			}
		})
	}
}

const rounds = 25

// requireReadable opens a damaged store, and finds all but one event, which it says to be damaged.
func requireReadable(t *testing.T, dir string, whole contents, what string) {
	t.Helper()
	var log bytes.Buffer
	k, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err, what)
	found := contentsOf(t, k)
	lost := 0
	for by, events := range whole {
		for event := range events {
			readable, there := found[by][event]
			if !there && by == "letters" {
				readable, there = found["a"][event] // its letter's record is lost: it is held again
			}
			require.True(t, there, "%s: %s of %s: %s", what, event, by, log.String())
			if !readable {
				lost++
			}
		}
	}
	require.LessOrEqual(t, lost, 2, "%s: %s", what, log.String()) // one body, which two may hold
	require.NoError(t, k.Close(), what)
	_, err = Verify(dir, func(problem string) {
		require.Regexp(t, "^body|leads to no body", problem, what)
	})
	require.NoError(t, err, what)
	k = openKeeper(t, dir)
	event, h := holdOf(t, "a", 100_000, 10)
	group := store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}}
	if _, err := k.Commit(&group); err != nil {
		require.NoError(t, k.Reopen(), what)
		_, err = k.Commit(&group)
		require.NoError(t, err, what)
	}
	require.True(t, contentsOf(t, k)["a"]["event-100000"], what)
	require.NoError(t, k.Close(), what)
}

// TestTruncatedFileKeepsItsReadableRest: whatever is cut off, the rest can be read, and what was there is kept beside.
func TestTruncatedFileKeepsItsReadableRest(t *testing.T) {
	dir := t.TempDir()
	k := openKeeper(t, dir)
	fill(t, k, 1000)
	whole := contentsOf(t, k)
	require.NoError(t, k.Close())
	file, err := os.Open(pathOf(dir))
	require.NoError(t, err)
	defer file.Close()
	p, err := openPages(file)
	require.NoError(t, err)
	used := int64(p.meta.high) * p.pageSize
	for _, percent := range []int64{0, 1, 25, 50, 75, 90} {
		cut := copyStore(t, dir)
		size := used * percent / 100
		require.NoError(t, os.Truncate(pathOf(cut), size))
		k := openKeeper(t, cut)
		found := contentsOf(t, k)
		for by, events := range found {
			for event := range events {
				require.Contains(t, whole, by)
				require.True(t, whole["a"][event] || whole["b"][event] || whole["letters"][event], "%s of %s", event, by)
			}
		}
		if percent >= 75 {
			require.Greater(t, len(found["a"])+len(found["letters"]), 20, "%d percent", percent)
		}
		kept, err := filepath.Glob(pathOf(cut) + ".damaged-*")
		require.NoError(t, err)
		require.Len(t, kept, 1)
		old, err := os.Stat(kept[0])
		require.NoError(t, err)
		require.Equal(t, size, old.Size())
		require.NoError(t, k.Close())
	}
}

// TestDamagedBodyIsSetAsideWhenItsEventEnds: nothing that cannot be read is thrown away.
func TestDamagedBodyIsSetAsideWhenItsEventEnds(t *testing.T) {
	dir := t.TempDir()
	k := openKeeper(t, dir)
	event, h := holdOf(t, "a", 1, 300)
	_, err := k.Commit(&store.Group{Events: []store.EventRecord{event}, Holds: []store.HoldRecord{h}})
	require.NoError(t, err)
	require.NoError(t, k.Close())
	text, err := os.ReadFile(pathOf(dir))
	require.NoError(t, err)
	flipped := bytes.ReplaceAll(text, []byte("\"event_id\":\"event-1\""), []byte("\"event_id\":\"event-2\""))
	require.NotEqual(t, text, flipped)
	require.NoError(t, os.WriteFile(pathOf(dir), flipped, 0o600))

	k = openKeeper(t, dir)
	found, err := k.Held("a", 0, everything)
	require.NoError(t, err)
	require.Empty(t, found.Events)
	require.Len(t, found.Damaged, 1)
	require.Equal(t, delivery.Stub{Place: h.Place, Size: h.Size}, found.Damaged[0].Stub)
	require.ErrorIs(t, found.Damaged[0].Err, errChecksum)
	require.EqualValues(t, 1, found.Through)
	_, err = k.Commit(&store.Group{Ends: []store.EndRecord{{Endpoint: "a", Place: h.Place}}})
	require.NoError(t, err)
	require.NoError(t, k.Close())
	info, err := ReadInfo(dir)
	require.NoError(t, err)
	require.Equal(t, 1, info.Damaged)
	require.Zero(t, info.Events)
}

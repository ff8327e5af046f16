package bolt

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

func someRecords(t testing.TB) map[string][2][]byte {
	stored, _ := holdOf(t, "a", 7, 40)
	at := time.Unix(12, 34).UTC()
	key, id := eventKey(7), uuid.Must(uuid.NewV7())
	held := heldKey(3, delivery.Place{Class: messages.ClassAuth, Number: 9})
	name := endpointKey(3)
	value, err := encodeEndpoint([]byte("a"), endpoint{id: 3, EndpointRecord: store.EndpointRecord{Account: store.Account{Accepted: 4}}})
	require.NoError(t, err)
	l := letter{eventType: messages.TypeAuthFailure, event: 7, size: 300, shared: true}
	l.Endpoint, l.EventID, l.LastError, l.Reason, l.Time, l.Attempts = "a", "event-7", "refused", "rejected", at, 3
	return map[string][2][]byte{
		"event":    {key, encodeEvent(key, event{Stored: stored.Event.Stored(), first: holder{endpoint: 3, number: 9, at: at}, name: "a"})},
		"hold":     {held, encodeHold(held, hold{event: 7, size: 300, at: at, shared: true, tries: delivery.Tries{Attempts: 300, Charged: 2, Failures: 1, Begun: true}})},
		"letter":   {id[:], encodeLetter(id[:], l)},
		"endpoint": {[]byte("a"), value},
		"name":     {name, encodeName(name, "a")},
		"shared":   {sharedKey(7, name), encodeShared(sharedKey(7, name), holder{endpoint: 3, number: 9, at: at})},
	}
}

// decodeAny decodes a record as what it says that it is, and encodes it again.
func decodeAny(key, record []byte) (again []byte, err error) {
	found, err := kindOf(key, record)
	if err != nil {
		return nil, err
	}
	switch found {
	case kindEvent:
		e, err := decodeEvent(key, record)
		if err != nil {
			return nil, err
		}
		return encodeEvent(key, e), nil
	case kindHold:
		h, err := decodeHold(key, record)
		return encodeHold(key, h), err
	case kindLetter:
		l, err := decodeLetter(key, record)
		return encodeLetter(key, l), err
	case kindEndpoint:
		e, err := decodeEndpoint(key, record)
		if err != nil {
			return nil, err
		}
		return encodeEndpoint(key, e)
	case kindName:
		name, err := decodeName(key, record)
		return encodeName(key, name), err
	case kindShared:
		h, err := decodeShared(key, record)
		return encodeShared(key, h), err
	}
	return nil, errRecord
}

func TestRecordIsTheSameAfterItWasRead(t *testing.T) {
	for what, record := range someRecords(t) {
		again, err := decodeAny(record[0], record[1])
		require.NoError(t, err, what)
		require.Equal(t, record[1], again, what)
	}
}

func TestRecordOfAnotherKeyOrWithAnyByteChangedIsNone(t *testing.T) {
	for what, record := range someRecords(t) {
		_, err := kindOf(append([]byte{0}, record[0]...), record[1])
		require.ErrorIs(t, err, errChecksum, what)
		for i := range record[1] {
			changed := bytes.Clone(record[1])
			changed[i] ^= 0x10
			_, err := kindOf(record[0], changed)
			require.ErrorIs(t, err, errChecksum, "%s, byte %d", what, i)
		}
	}
	_, err := kindOf(nil, nil)
	require.ErrorIs(t, err, errMissing)
}

// FuzzRecord decodes what has a right checksum, and yet was never written: it fails, or it is the same when it is written.
func FuzzRecord(f *testing.F) {
	for _, record := range someRecords(f) {
		f.Add(record[0], record[1][checksumBytes:])
	}
	f.Fuzz(func(t *testing.T, key, rest []byte) {
		if len(rest) == 0 {
			return
		}
		record := seal(key, append(make([]byte, checksumBytes), rest...))
		again, err := decodeAny(key, record)
		if err != nil {
			return
		}
		twice, err := decodeAny(key, again)
		require.NoError(t, err)
		require.Equal(t, again, twice)
	})
}

// FuzzPage reads a page of anything.
func FuzzPage(f *testing.F) {
	f.Add(make([]byte, pageHeader))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) < pageHeader {
			return
		}
		for _, flags := range []uint16{leafFlag, branchFlag, 0} {
			elements, _, _ := elementsOf(nil, text, flags)
			for _, e := range elements {
				if e.bucket && len(e.value) >= bucketHeader {
					_, _ = inline(e.value)
				}
			}
		}
	})
}

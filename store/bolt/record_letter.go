package bolt

import (
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// letter is what the bucket letters keeps for a dead letter's id: all but its event's body.
type letter struct {
	store.DeadLetterRecord
	eventType messages.Type
	event     uint64
	size      int
	shared    bool // as a hold's
}

func letterOf(l *store.DeadLetter, h hold) letter {
	record := l.Record(false)
	return letter{DeadLetterRecord: *record, eventType: l.Event.Type(), event: h.event, size: h.size, shared: h.shared}
}

func encodeLetter(key []byte, l letter) []byte {
	texts := []string{l.Endpoint, l.EventID, l.LastError, l.LastAnswer, l.Reason}
	length := 8 + 1 + 1 + 12 + 3*binary.MaxVarintLen64
	for _, text := range texts {
		length += binary.MaxVarintLen64 + len(text)
	}
	record := newRecord(kindLetter, length)
	record = binary.BigEndian.AppendUint64(record, l.event)
	var flags byte
	if l.shared {
		flags |= holdShared
	}
	record = append(record, flags, byte(l.eventType))
	record = appendTime(record, l.Time)
	for _, count := range []int{l.size, l.Attempts, l.LastStatus} {
		record = binary.AppendUvarint(record, uint64(count))
	}
	for _, text := range texts {
		record = appendText(record, text)
	}
	return seal(key, record)
}

func decodeLetter(key, record []byte) (letter, error) {
	f, err := unseal(kindLetter, key, record)
	if err != nil {
		return letter{}, err
	}
	l := letter{event: f.uint64()}
	l.shared = f.byte()&holdShared != 0
	l.eventType = messages.Type(f.byte())
	l.Time = f.time()
	l.size, l.Attempts, l.LastStatus = f.count(), f.count(), f.count()
	for _, text := range []*string{&l.Endpoint, &l.EventID, &l.LastError, &l.LastAnswer, &l.Reason} {
		*text = f.text()
	}
	if !l.eventType.Valid() || len(key) != len(l.ID) {
		return letter{}, errRecord
	}
	l.ID, l.EventType = uuid.UUID(key), l.eventType.String()
	return l, f.err()
}

package bolt

import (
	"encoding/binary"
	"time"

	"github.com/fluxmq/webhookd/delivery"
)

// hold is what the bucket held keeps for an endpoint's event.
type hold struct {
	event  uint64
	size   int
	at     time.Time
	shared bool // others may have the event, too: the bucket shared says who
	tries  delivery.Tries
}

const (
	holdShared = 1 << iota
	holdBegun
)

// holdBytes is the length of a record, at most.
const holdBytes = 8 + 12 + 1 + 4*binary.MaxVarintLen64

func encodeHold(key []byte, h hold) []byte {
	var flags byte
	if h.shared {
		flags |= holdShared
	}
	if h.tries.Begun {
		flags |= holdBegun
	}
	record := newRecord(kindHold, holdBytes)
	record = binary.BigEndian.AppendUint64(record, h.event)
	record = appendTime(record, h.at)
	record = append(record, flags)
	for _, count := range []int{h.size, h.tries.Attempts, h.tries.Charged, h.tries.Failures} {
		record = binary.AppendUvarint(record, uint64(count))
	}
	return seal(key, record)
}

func decodeHold(key, record []byte) (hold, error) {
	f, err := unseal(kindHold, key, record)
	if err != nil {
		return hold{}, err
	}
	h := hold{event: f.uint64(), at: f.time()}
	flags := f.byte()
	h.shared, h.tries.Begun = flags&holdShared != 0, flags&holdBegun != 0
	h.size = f.count()
	h.tries.Attempts, h.tries.Charged, h.tries.Failures = f.count(), f.count(), f.count()
	return h, f.err()
}

// The record of a shared event's holder is what the first one's is within the event's.
func encodeShared(key []byte, h holder) []byte {
	return seal(key, appendHolder(newRecord(kindShared, 4+8+12), h))
}

func decodeShared(key, record []byte) (holder, error) {
	f, err := unseal(kindShared, key, record)
	if err != nil {
		return holder{}, err
	}
	return f.holder(), f.err()
}

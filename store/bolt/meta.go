package bolt

import (
	"encoding/binary"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

// The keys of the bucket meta.
var (
	versionKey = []byte("version")
	stateKey   = []byte("state")
)

// state is what is known of the file without looking at its records.
type state struct {
	last    store.Last
	letters delivery.Volume
}

func readState(meta *bbolt.Bucket) (state, error) {
	f, err := unseal(kindState, stateKey, meta.Get(stateKey))
	if err != nil {
		return state{}, err
	}
	return decodeState(f)
}

func decodeState(f *fields) (state, error) {
	s := state{last: store.Last{Event: f.uint64()}}
	if id := f.bytes(uint64(len(uuid.UUID{}))); id != nil {
		s.last.Letter = uuid.UUID(id)
	}
	s.letters.Events, s.letters.Bytes = int(f.uint64()), int64(f.uint64())
	return s, f.err()
}

func (s state) write(meta *bbolt.Bucket) error {
	record := newRecord(kindState, 4*8)
	record = binary.BigEndian.AppendUint64(record, s.last.Event)
	record = append(record, s.last.Letter[:]...)
	record = binary.BigEndian.AppendUint64(record, uint64(s.letters.Events))
	record = binary.BigEndian.AppendUint64(record, uint64(s.letters.Bytes))
	return meta.Put(stateKey, seal(stateKey, record))
}

// readVersion is 0 where none was written yet.
func readVersion(meta *bbolt.Bucket) (uint32, error) {
	record := meta.Get(versionKey)
	if record == nil {
		return 0, nil
	}
	f, err := unseal(kindVersion, versionKey, record)
	if err != nil {
		return 0, err
	}
	return f.uint32(), f.err()
}

func writeVersion(meta *bbolt.Bucket, version uint32) error {
	return meta.Put(versionKey, seal(versionKey, binary.BigEndian.AppendUint32(newRecord(kindVersion, 4), version)))
}

package bolt

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// Endpoints implements store.Keeper.
func (k *Keeper) Endpoints() (map[string]store.EndpointRecord, error) {
	found := map[string]store.EndpointRecord{}
	err := k.view(func(t tables) error {
		clear(found)
		return t.endpoints.ForEach(func(key, record []byte) error {
			e, err := decodeEndpoint(key, record)
			if err != nil {
				return &damagedError{fmt.Errorf("endpoint %q: %w", key, err)}
			}
			found[string(key)] = e.EndpointRecord
			return nil
		})
	})
	return found, err
}

// Held implements store.Keeper.
func (k *Keeper) Held(name string, after uint64, most delivery.Volume) (store.HeldRecords, error) {
	var found store.HeldRecords
	err := k.view(func(t tables) error {
		found = store.HeldRecords{Through: after}
		id, known, err := t.endpointID(name)
		if err != nil || !known {
			return err
		}
		room := most
		for held := range t.heldFrom(id, after) {
			h, err := decodeHold(held.key, held.record)
			if err != nil {
				return &damagedError{fmt.Errorf("endpoint %q, event %d: %w", name, held.place.Number, err)}
			}
			room.Events--
			room.Bytes -= int64(h.size)
			if (room.Events < 0 || room.Bytes < 0) && found.Through > after {
				found.More = true
				return nil
			}
			found.Through = held.place.Number
			if err := k.readHeld(&t, &found, held.place, h); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// readHeld reads one event that is held into found, or among what is damaged.
func (k *Keeper) readHeld(t *tables, found *store.HeldRecords, place delivery.Place, h hold) error {
	envelope, err := k.readEvent(t, h.event)
	if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
		return err
	}
	if err != nil {
		found.Damaged = append(found.Damaged, store.DamagedRecord{Stub: delivery.Stub{Place: place, Size: h.size}, Err: err})
		return nil
	}
	found.Events = append(found.Events, delivery.Stored{
		Acceptance: delivery.Acceptance{Place: place, Event: envelope, At: h.at},
		Tries:      h.tries,
	})
	return nil
}

// readEvent reads an event, and notes where it is damaged. One that is missing may be behind a damaged page.
func (k *Keeper) readEvent(t *tables, number uint64) (*messages.Envelope, error) {
	key := eventKey(number)
	e, err := decodeEvent(key, t.events.Get(key))
	if errors.Is(err, errMissing) && !k.looked {
		return nil, &damagedError{fmt.Errorf("event %d: %w", number, err)}
	}
	if err != nil {
		k.damaged.note(number)
		return nil, err
	}
	return e.envelope()
}

// Stubs implements store.Keeper.
func (k *Keeper) Stubs(name string, class messages.Class, after uint64, most int) ([]delivery.Stub, error) {
	var found []delivery.Stub
	err := k.view(func(t tables) error {
		found = nil
		id, known, err := t.endpointID(name)
		if err != nil || !known {
			return err
		}
		for c := beginAt(t.held, heldPrefix(id, class), eventKey(after+1)); c.key != nil && len(found) < most; c.next() {
			h, err := decodeHold(c.key, c.record)
			if err != nil {
				return &damagedError{fmt.Errorf("endpoint %q, event %d: %w", name, placeOfKey(c.key).Number, err)}
			}
			found = append(found, delivery.Stub{Place: placeOfKey(c.key), Size: h.size})
		}
		return nil
	})
	return found, err
}

// endpointID finds an endpoint of which something is kept.
func (t *tables) endpointID(name string) (id uint32, known bool, err error) {
	key := []byte(name)
	record := t.endpoints.Get(key)
	if record == nil {
		return 0, false, nil
	}
	e, err := decodeEndpoint(key, record)
	if err != nil {
		return 0, false, &damagedError{fmt.Errorf("endpoint %q: %w", name, err)}
	}
	return e.id, true, nil
}

// heldRecord is one record of the bucket held.
type heldRecord struct {
	key, record []byte
	place       delivery.Place
}

// heldFrom yields what an endpoint holds from a number on, of all classes in the order of acceptance.
func (t *tables) heldFrom(endpoint uint32, after uint64) func(func(heldRecord) bool) {
	return func(yield func(heldRecord) bool) {
		var ranges [messages.ClassCount]*prefixCursor
		for class := range ranges {
			ranges[class] = beginAt(t.held, heldPrefix(endpoint, messages.Class(class)), eventKey(after+1))
		}
		for {
			next := lowest(ranges[:])
			if next == nil || !yield(heldRecord{next.key, next.record, placeOfKey(next.key)}) {
				return
			}
			next.next()
		}
	}
}

// prefixCursor goes through the keys that begin with a prefix. Its key is nil at their end.
type prefixCursor struct {
	prefix      []byte
	cursor      *bbolt.Cursor
	key, record []byte
}

func beginAt(bucket *bbolt.Bucket, prefix, from []byte) *prefixCursor {
	c := &prefixCursor{prefix: prefix, cursor: bucket.Cursor()}
	c.set(c.cursor.Seek(append(bytes.Clone(prefix), from...)))
	return c
}

func (c *prefixCursor) set(key, record []byte) {
	c.key, c.record = key, record
	if !bytes.HasPrefix(key, c.prefix) {
		c.key, c.record = nil, nil
	}
}

func (c *prefixCursor) next() { c.set(c.cursor.Next()) }

// rest is what follows the prefix in the key.
func (c *prefixCursor) rest() []byte { return c.key[len(c.prefix):] }

// lowest is the cursor with the lowest key after its prefix; nil where all are at their end.
func lowest(cursors []*prefixCursor) *prefixCursor {
	var found *prefixCursor
	for _, c := range cursors {
		if c.key != nil && (found == nil || bytes.Compare(c.rest(), found.rest()) < 0) {
			found = c
		}
	}
	return found
}

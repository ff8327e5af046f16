package bolt

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/store"
)

// maxTrim is how many dead letters one commit deletes because of their bounds; the others wait for the next one.
const maxTrim = 100_000

// change makes the changes of one group.
type change struct {
	tables
	state     state
	endpoints map[string]*endpoint             // those looked up so far
	made      map[uuid.UUID]store.LetterRecord // by the group
	damaged   *damage
	trimmed   store.Trimmed
}

func newChange(tx *bbolt.Tx, damaged *damage) (*change, error) {
	c := &change{tables: tablesOf(tx), endpoints: map[string]*endpoint{}, damaged: damaged}
	var err error
	c.state, err = readState(c.meta)
	return c, err
}

func (c *change) make(group *store.Group) error {
	before := c.state
	c.made = make(map[uuid.UUID]store.LetterRecord, len(group.Letters))
	for _, letter := range group.Letters {
		c.made[letter.Letter.ID] = letter
	}
	for _, step := range []func() error{
		func() error { return c.putEvents(group) },
		func() error { return each(group.Holds, c.hold) },
		func() error { return each(group.Replays, c.replay) },
		func() error { return each(group.Tries, c.try) },
		func() error { return each(group.Letters, c.letter) },
		func() error { return each(group.Ends, c.end) },
		func() error { return each(group.Deleted, c.deleteLetter) },
		func() error { return c.trim(group.Trim) },
		func() error { return c.putEndpoints(group.Endpoints) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if c.state == before {
		return nil
	}
	return c.state.write(c.meta)
}

func each[T any](records []T, do func(T) error) error {
	for _, record := range records {
		if err := do(record); err != nil {
			return err
		}
	}
	return nil
}

// putEvents puts the events that the group has somebody hold; what nobody holds is not kept.
func (c *change) putEvents(group *store.Group) error {
	first := make(map[uint64]store.HoldRecord, len(group.Events))
	for _, h := range group.Holds {
		if _, found := first[h.Event]; !found {
			first[h.Event] = h
		}
	}
	for _, record := range group.Events {
		c.state.last.Event = max(c.state.last.Event, record.Number)
		by, held := first[record.Number]
		if !held {
			continue
		}
		e, err := c.endpoint(by.Endpoint)
		if err != nil {
			return err
		}
		key := eventKey(record.Number)
		value := encodeEvent(key, event{
			Stored: record.Event.Stored(),
			first:  holder{endpoint: e.id, number: by.Number, at: by.At},
			name:   by.Endpoint,
		})
		if err := c.events.Put(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) hold(h store.HoldRecord) error {
	return c.putHold(h.Endpoint, h.Place, hold{event: h.Event, size: h.Size, at: h.At, shared: h.Shared, tries: h.Tries})
}

func (c *change) putHold(name string, place delivery.Place, h hold) error {
	e, err := c.endpoint(name)
	if err != nil {
		return err
	}
	key := heldKey(e.id, place)
	if err := c.held.Put(key, encodeHold(key, h)); err != nil {
		return err
	}
	return c.share(h, endpointKey(e.id), holder{endpoint: e.id, number: place.Number, at: h.at})
}

// share notes who has a shared event.
func (c *change) share(h hold, by []byte, as holder) error {
	if !h.shared {
		return nil
	}
	key := sharedKey(h.event, by)
	return c.shared.Put(key, encodeShared(key, as))
}

// find reads what an endpoint holds at a place.
func (c *change) find(name string, place delivery.Place) (key []byte, h hold, found bool, err error) {
	e, err := c.known(name)
	if e == nil || err != nil {
		return nil, hold{}, false, err
	}
	key = heldKey(e.id, place)
	record := c.held.Get(key)
	if record == nil {
		return key, hold{}, false, nil
	}
	if h, err = decodeHold(key, record); err != nil {
		return key, hold{}, false, &damagedError{fmt.Errorf("endpoint %q, event %d: %w", name, place.Number, err)}
	}
	return key, h, true, nil
}

// replay makes a letter a hold. A letter of the same group is made before that: where the group asks for what failed once
// and was there nevertheless, somebody may have found it.
func (c *change) replay(r store.ReplayRecord) error {
	if made, found := c.made[r.Letter]; found {
		if err := c.letter(made); err != nil {
			return err
		}
	}
	key := letterKey(r.Letter)
	l, found, err := c.findLetter(key)
	if err != nil || !found {
		return err
	}
	if err := c.forgetLetter(key, l); err != nil {
		return err
	}
	h := hold{event: l.event, size: l.size, at: r.Hold.At, shared: l.shared, tries: r.Hold.Tries}
	if err := c.putHold(r.Hold.Endpoint, r.Hold.Place, h); err != nil || !l.shared {
		return err
	}
	return c.shared.Delete(sharedKey(l.event, key))
}

func (c *change) try(t store.TriesRecord) error {
	key, h, found, err := c.find(t.Endpoint, t.Place)
	if err != nil || !found || h.tries == t.Tries {
		return err
	}
	h.tries = t.Tries
	return c.held.Put(key, encodeHold(key, h))
}

func (c *change) end(r store.EndRecord) error {
	key, h, found, err := c.find(r.Endpoint, r.Place)
	if err != nil || !found {
		return err
	}
	if err := c.held.Delete(key); err != nil {
		return err
	}
	return c.release(h.event, h.shared, key[:4])
}

// release deletes an event when the last one who has it lets go of it.
func (c *change) release(number uint64, shared bool, by []byte) error {
	key := eventKey(number)
	if shared {
		if err := c.shared.Delete(sharedKey(number, by)); err != nil {
			return err
		}
		if next, _ := c.shared.Cursor().Seek(key); bytes.HasPrefix(next, key) {
			return nil
		}
	}
	if c.damaged.has(number) {
		if err := c.setAside(key); err != nil {
			return err
		}
	}
	return c.events.Delete(key)
}

// setAside keeps what stands in place of an event's record, for who may want to look at it.
func (c *change) setAside(key []byte) error {
	record := c.events.Get(key)
	if record == nil {
		return nil
	}
	return c.tables.damaged.Put(key, bytes.Clone(record))
}

// letter makes a hold a letter, once.
func (c *change) letter(r store.LetterRecord) error {
	if _, left := c.made[r.Letter.ID]; !left {
		return nil
	}
	delete(c.made, r.Letter.ID)
	place, h, found, err := c.find(r.Letter.Endpoint, r.Place)
	if err != nil || !found {
		return err
	}
	if err := c.held.Delete(place); err != nil {
		return err
	}
	l, key := letterOf(r.Letter, h), letterKey(r.Letter.ID)
	if c.letters.Get(key) == nil {
		c.state.letters.Events++
		c.state.letters.Bytes += int64(l.size)
	}
	if err := c.letters.Put(key, encodeLetter(key, l)); err != nil {
		return err
	}
	if err := c.byEndpoint.Put(byEndpointKey(endpointOfKey(place), l.eventType, l.ID), nil); err != nil {
		return err
	}
	if err := c.byType.Put(byTypeKey(l.eventType, l.ID), nil); err != nil {
		return err
	}
	if bytes.Compare(key, c.state.last.Letter[:]) > 0 {
		c.state.last.Letter = l.ID
	}
	if err := c.share(h, key, holder{endpoint: endpointOfKey(place), number: r.Number, at: h.at}); err != nil || !h.shared {
		return err
	}
	return c.shared.Delete(sharedKey(h.event, place[:4]))
}

func (c *change) findLetter(key []byte) (letter, bool, error) {
	record := c.letters.Get(key)
	if record == nil {
		return letter{}, false, nil
	}
	l, err := decodeLetter(key, record)
	if err != nil {
		return letter{}, false, &damagedError{fmt.Errorf("dead letter %x: %w", key, err)}
	}
	return l, true, nil
}

// forgetLetter takes a letter out of its bucket and indexes, and leaves its event.
func (c *change) forgetLetter(key []byte, l letter) error {
	e, err := c.endpoint(l.Endpoint)
	if err != nil {
		return err
	}
	c.state.letters.Events--
	c.state.letters.Bytes -= int64(l.size)
	return errors.Join(
		c.letters.Delete(key),
		c.byEndpoint.Delete(byEndpointKey(e.id, l.eventType, l.ID)),
		c.byType.Delete(byTypeKey(l.eventType, l.ID)),
	)
}

func (c *change) deleteLetter(id uuid.UUID) error {
	key := letterKey(id)
	l, found, err := c.findLetter(key)
	if err != nil || !found {
		return err
	}
	if err := c.forgetLetter(key, l); err != nil {
		return err
	}
	return c.release(l.event, l.shared, key)
}

// trim deletes the oldest letters until the others keep within their bounds.
func (c *change) trim(bounds store.LetterBounds) error {
	for range maxTrim {
		key, record := c.letters.Cursor().First()
		if key == nil {
			return nil
		}
		l, err := decodeLetter(key, record)
		if err != nil {
			return &damagedError{fmt.Errorf("dead letter %x: %w", key, err)}
		}
		switch {
		case bounds.MaxBytes > 0 && c.state.letters.Bytes > bounds.MaxBytes:
			c.trimmed.MaxBytes++
		case l.Time.Before(bounds.OlderThan):
			c.trimmed.MaxAge++
		default:
			return nil
		}
		if err := c.deleteLetter(l.ID); err != nil {
			return err
		}
	}
	return nil
}

// known finds an endpoint of which something is kept; nil where there is none.
func (c *change) known(name string) (*endpoint, error) {
	if e, found := c.endpoints[name]; found {
		return e, nil
	}
	key := []byte(name)
	record := c.tables.endpoints.Get(key)
	if record == nil {
		return nil, nil
	}
	e, err := decodeEndpoint(key, record)
	if err != nil {
		return nil, &damagedError{fmt.Errorf("endpoint %q: %w", name, err)}
	}
	c.endpoints[name] = &e
	return &e, nil
}

// endpoint finds an endpoint, or begins it.
func (c *change) endpoint(name string) (*endpoint, error) {
	if e, err := c.known(name); e != nil || err != nil {
		return e, err
	}
	number, err := c.names.NextSequence()
	if err != nil {
		return nil, err
	}
	e := &endpoint{id: uint32(number)}
	if err := c.names.Put(endpointKey(e.id), encodeName(endpointKey(e.id), name)); err != nil {
		return nil, err
	}
	c.endpoints[name] = e
	return e, c.putEndpoint([]byte(name), e)
}

func (c *change) putEndpoints(records map[string]store.EndpointRecord) error {
	for name, record := range records {
		e, err := c.endpoint(name)
		if err != nil {
			return err
		}
		e.EndpointRecord = record
		if err := c.putEndpoint([]byte(name), e); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) putEndpoint(key []byte, e *endpoint) error {
	record, err := encodeEndpoint(key, *e)
	if err != nil {
		return err
	}
	return c.tables.endpoints.Put(key, record)
}

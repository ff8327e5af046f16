package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

// scanned is how many letters are looked at within one transaction: a long one holds up who writes.
const scanned = 5000

// aheadOf is how far the time of a letter's id may be ahead of the letter's: ids go on where the clock was set back.
const aheadOf = time.Hour

// Letters implements store.Keeper.
func (k *Keeper) Letters(ctx context.Context, query store.DeadLetterQuery) (store.DeadLetterPage, error) {
	page := store.DeadLetterPage{Letters: []*store.DeadLetterRecord{}}
	query.Limit = max(query.Limit, 1)
	scan := letterScan{query: query, page: &page, from: firstLetter(query)}
	for !scan.done {
		if err := context.Cause(ctx); err != nil {
			return page, err
		}
		if err := k.view(scan.some); err != nil {
			return page, err
		}
	}
	return page, nil
}

// firstLetter is the lowest id that the query can find.
func firstLetter(query store.DeadLetterQuery) []byte {
	from := make([]byte, len(uuid.UUID{}))
	if !query.Since.IsZero() {
		from = idAt(query.Since)
	}
	if after := nextID(query.After); query.After != uuid.Nil && bytes.Compare(after, from) > 0 {
		from = after
	}
	return from
}

// idAt is the lowest id that is made at a time (RFC 9562 §5.7).
func idAt(t time.Time) []byte {
	id := make([]byte, 8, len(uuid.UUID{}))
	binary.BigEndian.PutUint64(id, uint64(max(t.UnixMilli(), 0))<<16)
	return append(id, make([]byte, 8)...)
}

// nextID is the key right after an id.
func nextID(id uuid.UUID) []byte {
	next := bytes.Clone(id[:])
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			break
		}
	}
	return next
}

// letterScan fills a page, some letters at a time.
type letterScan struct {
	query store.DeadLetterQuery
	page  *store.DeadLetterPage
	from  []byte // the lowest id not looked at
	done  bool

	found, skipped int // as the page had it when the scan came to from
}

// some looks at the next letters that an index finds.
func (s *letterScan) some(t tables) error {
	s.page.Letters, s.page.Skipped = s.page.Letters[:s.found], s.skipped
	looked := 0
	ids, err := s.ids(&t)
	if err != nil {
		return err
	}
	for id := range ids {
		if looked == scanned {
			s.from, s.found, s.skipped = bytes.Clone(id), len(s.page.Letters), s.page.Skipped
			return nil
		}
		looked++
		if !s.look(&t, id) {
			break
		}
	}
	s.done = true
	return nil
}

// look takes a letter into the page if the query chooses it. It is false when the page is complete.
func (s *letterScan) look(t *tables, id []byte) bool {
	if !s.query.Until.IsZero() && bytes.Compare(id, idAt(s.query.Until.Add(aheadOf))) >= 0 {
		return false
	}
	l, err := decodeLetter(id, t.letters.Get(id))
	if err != nil {
		s.page.Skipped++
		return true
	}
	if !s.query.Match(&l.DeadLetterRecord) {
		return true
	}
	if len(s.page.Letters) == s.query.Limit {
		s.page.Next = s.page.Letters[s.query.Limit-1].ID.String()
		return false
	}
	s.page.Letters = append(s.page.Letters, &l.DeadLetterRecord)
	return true
}

// ids yields the ids from s.from on, in order, by the index that leaves out most.
func (s *letterScan) ids(t *tables) (func(func([]byte) bool), error) {
	if len(s.query.IDs) > 0 {
		return s.given(), nil
	}
	var eventType messages.Type
	if s.query.Type != "" {
		var err error
		if eventType, err = messages.ParseType(s.query.Type); err != nil {
			return none, nil
		}
	}
	if s.query.Endpoint == "" {
		if eventType == 0 {
			return s.merge(t.letters, nil), nil
		}
		return s.merge(t.byType, []byte{byte(eventType)}), nil
	}
	id, known, err := t.endpointID(s.query.Endpoint)
	if err != nil || !known {
		return none, err
	}
	if eventType != 0 {
		return s.merge(t.byEndpoint, byEndpointPrefix(id, eventType)), nil
	}
	var prefixes [][]byte
	for _, eventType := range messages.Types() {
		prefixes = append(prefixes, byEndpointPrefix(id, eventType))
	}
	return s.merge(t.byEndpoint, prefixes...), nil
}

func none(func([]byte) bool) {}

// given yields the ids that the query itself names.
func (s *letterScan) given() func(func([]byte) bool) {
	var ids [][]byte
	for _, id := range s.query.IDs {
		if bytes.Compare(id[:], s.from) >= 0 {
			ids = append(ids, letterKey(id))
		}
	}
	slices.SortFunc(ids, bytes.Compare)
	return slices.Values(slices.CompactFunc(ids, bytes.Equal))
}

// merge yields in order the ids that follow the prefixes in an index.
func (s *letterScan) merge(index *bbolt.Bucket, prefixes ...[]byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		var cursors []*prefixCursor
		for _, prefix := range prefixes {
			cursors = append(cursors, beginAt(index, prefix, s.from))
		}
		for next := lowest(cursors); next != nil && yield(next.rest()); next = lowest(cursors) {
			next.next()
		}
	}
}

// Letter implements store.Keeper.
func (k *Keeper) Letter(ctx context.Context, id uuid.UUID) (*store.DeadLetterRecord, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var found *store.DeadLetterRecord
	err := k.view(func(t tables) error {
		key := letterKey(id)
		record := t.letters.Get(key)
		if record == nil {
			return store.ErrNoDeadLetter
		}
		l, err := decodeLetter(key, record)
		if err != nil {
			return &damagedError{fmt.Errorf("dead letter %s: %w", id, err)}
		}
		envelope, err := k.readEvent(&t, l.event)
		if err != nil {
			return fmt.Errorf("read the event of dead letter %s: %w", id, err)
		}
		l.Event = envelope.Body()
		found = &l.DeadLetterRecord
		return nil
	})
	return found, err
}

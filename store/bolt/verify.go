package bolt

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
)

// Checked is how much Verify looked at.
type Checked struct {
	Pages, Events, Held, Letters, Endpoints int
}

// Verify looks at all that a folder keeps that no program uses: every page, every checksum, whether what is held, the dead
// letters and their indexes lead to events and every event to them, and whether the accounts add up. It reports each
// problem, and changes nothing. Its error is why it could not go on.
func Verify(dir string, report func(problem string)) (Checked, error) {
	v := &verification{report: report, has: pageSet{}, held: map[uint32]*delivery.Kept{}}
	folder, err := idleFolder(dir)
	if err != nil {
		return v.checked, err
	}
	sound, err := v.pages(folder.path())
	if err := errors.Join(err, folder.unlock()); err != nil || !sound {
		return v.checked, err
	}
	return v.checked, inspect(dir, func(_ *os.File, tx *bbolt.Tx) error {
		for err := range tx.Check() {
			report(err.Error())
		}
		v.tables = tablesOf(tx)
		return v.records()
	})
}

// verification is a Verify under way.
type verification struct {
	tables
	report  func(string)
	checked Checked
	has     pageSet                   // events that somebody has
	held    map[uint32]*delivery.Kept // by endpoint
}

func (v *verification) problem(format string, args ...any) { v.report(fmt.Sprintf(format, args...)) }

// pages looks through the pages, as opening does. Only where they are sound the rest can be read.
func (v *verification) pages(path string) (sound bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	found := checkPages(file, false)
	if found.newer != nil {
		return false, fmt.Errorf("%s: %w", path, found.newer)
	}
	v.checked.Pages = found.pages
	for _, problem := range found.all {
		v.problem("%s", problem)
	}
	if more := found.problems - len(found.all); more > 0 {
		v.problem("and %d more", more)
	}
	return found.problems == 0, nil
}

func (v *verification) records() error {
	return errors.Join(
		v.holds(),
		v.deadLetters(),
		v.bodies(),
		v.accounts(),
	)
}

func (v *verification) holds() error {
	return v.tables.held.ForEach(func(key, record []byte) error {
		h, err := decodeHold(key, record)
		if err != nil {
			return err // it was looked at
		}
		v.checked.Held++
		v.leads(fmt.Sprintf("event %d of endpoint %d", placeOfKey(key).Number, endpointOfKey(key)), h.event, h.shared, key[:4])
		id, place := endpointOfKey(key), placeOfKey(key)
		if v.held[id] == nil {
			v.held[id] = &delivery.Kept{}
		}
		v.held[id].Held[place.Class].Events++
		v.held[id].Held[place.Class].Bytes += int64(h.size)
		v.held[id].Last = max(v.held[id].Last, place.Number)
		return nil
	})
}

// leads checks that a holder leads to an event, and the event to it.
func (v *verification) leads(what string, event uint64, shared bool, by []byte) {
	v.has.add(event)
	if v.tables.events.Get(eventKey(event)) == nil {
		v.problem("%s leads to no body", what)
	}
	if shared && v.shared.Get(sharedKey(event, by)) == nil {
		v.problem("%s is not known to share its body", what)
	}
}

func (v *verification) deadLetters() error {
	var found delivery.Volume
	err := v.tables.letters.ForEach(func(key, record []byte) error {
		l, err := decodeLetter(key, record)
		if err != nil {
			return err
		}
		v.checked.Letters++
		found.Events++
		found.Bytes += int64(l.size)
		v.leads(fmt.Sprintf("dead letter %s", l.ID), l.event, l.shared, key)
		if id, known, err := v.endpointID(l.Endpoint); err != nil || !known || v.byEndpoint.Get(byEndpointKey(id, l.eventType, l.ID)) == nil {
			v.problem("dead letter %s is not found by its endpoint", l.ID)
		}
		if v.byType.Get(byTypeKey(l.eventType, l.ID)) == nil {
			v.problem("dead letter %s is not found by its event's type", l.ID)
		}
		return nil
	})
	s, failed := readState(v.meta)
	if failed == nil && s.letters != found {
		v.problem("%d dead letters of %d bytes are counted, and there are %d of %d", s.letters.Events, s.letters.Bytes, found.Events, found.Bytes)
	}
	return errors.Join(err, failed)
}

func (v *verification) bodies() error {
	return v.tables.events.ForEach(func(key, record []byte) error {
		v.checked.Events++
		if _, err := decodeEvent(key, record); err != nil {
			v.problem("body %x: %v", key, err)
		} else if !v.has.has(eventOfKey(key)) {
			v.problem("body %d is nobody's", eventOfKey(key))
		}
		return nil
	})
}

// accounts checks that what the endpoints' records say is what there is.
func (v *verification) accounts() error {
	return v.tables.endpoints.ForEach(func(key, record []byte) error {
		e, err := decodeEndpoint(key, record)
		if err != nil {
			return err
		}
		v.checked.Endpoints++
		if name, err := decodeName(endpointKey(e.id), v.names.Get(endpointKey(e.id))); err != nil || name != string(key) {
			v.problem("endpoint %q is not known by its number", key)
		}
		held := delivery.Kept{}
		if found := v.held[e.id]; found != nil {
			held = *found
		}
		if held.Held != e.Held || held.Last > e.Last {
			v.problem("endpoint %q: %v is counted as held, and there is %v", key, total(e.Kept), total(held))
		}
		if a := e.Account; a.Accepted != a.Ended()+heldEvents(held) {
			v.problem("endpoint %q: %d events were accepted, and %d ended and %d are held", key, a.Accepted, a.Ended(), heldEvents(held))
		}
		return nil
	})
}

package simulation

import (
	"context"
	"testing/synctest"
	"time"

	"github.com/fluxmq/webhookd/store"
)

// replaying replays the dead letters of one endpoint, or of all.
type replaying struct {
	endpoint int // -1: all
}

func (a replaying) String() string {
	if a.endpoint < 0 {
		return "all dead letters are replayed"
	}
	return "the dead letters of one endpoint are replayed"
}

// keptLetter is a dead letter that a replay may choose.
type keptLetter struct {
	*event
	oracle *oracle
	at     time.Time // when it was given up
}

// perform replays while all letters are kept: memory has room for the latest ones only.
func (a replaying) perform(r *run) {
	if len(r.closings) > 0 || len(r.kept) > store.MaxDeadLetters/2 || r.keptBytes() > store.MaxDeadLettersBytes/2 {
		return
	}
	filter := store.DeadLetterFilter{}
	if a.endpoint >= 0 {
		filter.Endpoint = r.oracles[a.endpoint].Name
	}
	result, err := r.handle.ReplayDeadLetters(context.Background(), filter, store.ReplayOptions{})
	synctest.Wait()
	expected := r.replay(filter)
	expected.Until = result.Until
	if err != nil || result != expected {
		r.breaks("a replay offers every dead letter to its endpoint, once, and makes no event give way", "%+v (%v), not %+v", result, err, expected)
	}
}

func (r *run) keptBytes() int {
	bytes := 0
	for _, l := range r.kept {
		bytes += l.size
	}
	return bytes
}

// replay gives the oracles the events that their endpoints have room for, which are no letters any more.
func (r *run) replay(filter store.DeadLetterFilter) (result store.ReplayResult) {
	full := map[*oracle]bool{}
	now := time.Now()
	var kept []*keptLetter
	for _, l := range r.kept {
		o := l.oracle
		if filter.Endpoint != "" && filter.Endpoint != o.Name || !l.at.Before(now) {
			kept = append(kept, l)
			continue
		}
		result.Chosen++
		if full[o] || !o.fits(len(o.held), o.bytes(), l.event) {
			full[o] = true
			result.Left++
			o.seen["no room for a replay"]++
			kept = append(kept, l)
			continue
		}
		result.Accepted++
		o.acceptReplay(l.event)
	}
	r.kept = kept
	return result
}

func (o *oracle) acceptReplay(e *event) {
	o.accept(e)
	o.passages[e].replayed = true
	o.account.acceptedReplay++
	o.seen["replayed"]++
}

package simulation

import (
	"context"
	"testing/synctest"

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
	state  letterState
}

type letterState int

const (
	openLetter letterState = iota
	onItsWay
	closedLetter
)

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
		r.breaks("a replay offers every open dead letter to its endpoint, once, and makes no event give way", "%+v (%v), not %+v", result, err, expected)
	}
}

func (r *run) keptBytes() int {
	bytes := 0
	for _, l := range r.kept {
		bytes += l.size
	}
	return bytes
}

func (r *run) replay(filter store.DeadLetterFilter) (result store.ReplayResult) {
	full := map[*oracle]bool{}
	for _, l := range r.kept {
		o := l.oracle
		switch {
		case filter.Endpoint != "" && filter.Endpoint != o.Name, l.state == closedLetter:
		case l.state == onItsWay:
			result.Left++
		case full[o] || !o.fits(len(o.held), o.bytes(), l.event):
			full[o] = true
			result.Left++
			o.seen["no room for a replay"]++
		default:
			result.Accepted++
			l.state = onItsWay
			o.acceptReplay(l)
		}
	}
	return result
}

func (o *oracle) acceptReplay(l *keptLetter) {
	o.accept(l.event)
	o.passages[l.event].replayed = l
	o.account.acceptedReplay++
	o.seen["replayed"]++
}

// endReplay takes the fate of a replayed event: its letter is closed when it was delivered, or has a letter of its own.
func (p *passage) endReplay(fate string, seen map[string]int) {
	switch {
	case p.replayed == nil:
	case fate == evicted:
		p.replayed.state = openLetter
		seen["replay evicted"]++
	default:
		p.replayed.state = closedLetter
	}
}

package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

// memoryJournal keeps what is held in memory, and finds whatever a journal must never hear.
type memoryJournal struct {
	testing.TB
	held    []*Stored // in the order of acceptance
	last    uint64
	ended   map[Place]Fate
	blind   bool            // Behind finds nothing at this moment
	damaged map[uint64]bool // numbers of which the bodies can't be read
	asked   int             // how often Behind was asked
}

func newMemoryJournal(t testing.TB) *memoryJournal {
	return &memoryJournal{TB: t, ended: map[Place]Fate{}, damaged: map[uint64]bool{}}
}

func (j *memoryJournal) Accept(a Acceptance) {
	require.Equal(j, j.last+1, a.Number, "numbers have no gaps")
	require.Equal(j, a.Event.Type().Class(), a.Class)
	j.last = a.Number
	j.held = append(j.held, &Stored{Acceptance: a})
}

func (j *memoryJournal) Try(place Place, tries Tries) {
	stored := j.find(place)
	require.True(j, stored.Tries.Charged != tries.Charged || stored.Tries.Begun != tries.Begun, "nothing is told twice")
	stored.Tries = tries
}

func (j *memoryJournal) End(stub Stub, fate Fate) {
	require.NotEqual(j, KindDeadLettered, fate.Kind())
	require.Equal(j, j.find(stub.Place).stub(), stub)
	j.end(stub.Place, fate)
}

// end is what the keeper of letters does, too.
func (j *memoryJournal) end(place Place, fate Fate) {
	stored := j.find(place)
	j.held = slices.DeleteFunc(j.held, func(other *Stored) bool { return other == stored })
	j.ended[place] = fate
}

func (j *memoryJournal) find(place Place) *Stored {
	i := slices.IndexFunc(j.held, func(s *Stored) bool { return s.Place == place })
	require.GreaterOrEqual(j, i, 0, "%v is not held", place)
	return j.held[i]
}

func (j *memoryJournal) Behind(class messages.Class, after uint64, most int) []Stub {
	j.asked++
	var stubs []Stub
	for _, stored := range j.held {
		if stored.Class == class && stored.Number > after && len(stubs) < most && !j.blind {
			stubs = append(stubs, stored.stub())
		}
	}
	return stubs
}

func (s *Stored) stub() Stub { return Stub{s.Place, s.Event.Size()} }

// read is what an owner reads beside all that.
func (j *memoryJournal) read(after uint64, most Volume) Read {
	read := Read{Through: after}
	var taken Volume
	for _, stored := range j.held {
		if stored.Number <= after {
			continue
		}
		more := taken.add(stored.Event.Size())
		if taken.Events > 0 && (more.Events > most.Events || more.Bytes > most.Bytes) {
			return read
		}
		taken, read.Through = more, stored.Number
		if j.damaged[stored.Number] {
			read.Damaged = append(read.Damaged, stored.stub())
		} else {
			read.Events = append(read.Events, *stored)
		}
	}
	read.Through = j.last
	return read
}

// keep is what an earlier process left.
func (j *memoryJournal) keep(at time.Time, event *messages.Envelope, tries Tries) {
	j.last++
	place := Place{Class: event.Type().Class(), Number: j.last}
	j.held = append(j.held, &Stored{Acceptance: Acceptance{Place: place, Event: event, At: at}, Tries: tries})
}

func (j *memoryJournal) kept() Kept {
	kept := Kept{Last: j.last}
	for _, stored := range j.held {
		kept.Held[stored.Class] = kept.Held[stored.Class].add(stored.Event.Size())
	}
	return kept
}

// known is what is known of all that is held.
func (j *memoryJournal) known() map[Place]Tries {
	known := map[Place]Tries{}
	for _, stored := range j.held {
		known[stored.Place] = stored.Tries
	}
	return known
}

// Places are where the events that go out are kept, one for each.
func (d *Delivery) Places() []Place { return placesOf(d.outgoing()) }

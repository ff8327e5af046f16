package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// Journal keeps what an endpoint holds where it outlives the process. A backlog tells it of all that it takes and ends, in
// the order in which that happens, and asks it for what it does not hold in memory itself. Its methods are called under
// the backlog's lock: they return at once, and call nothing of the backlog.
type Journal interface {
	// Accept tells that the endpoint holds one more event.
	Accept(Acceptance)
	// Try tells what is to be known of the attempts of an event if it is restored.
	Try(Place, Tries)
	// End tells that an event was delivered or dropped. Of a dead-lettered one the journal hears by who keeps the letter.
	End(Stub, Fate)
	// Behind lists events of the class that were accepted after the one with the given number, the oldest first, up to so
	// many. It is empty where they can't be read at this moment.
	Behind(class messages.Class, after uint64, most int) []Stub
}

// Place is where an endpoint's event is found: by its number in the order in which the endpoint accepted its events, from
// 1 on, over all classes.
type Place struct {
	Class  messages.Class
	Number uint64
}

// Acceptance is an event that an endpoint took.
type Acceptance struct {
	Place
	Event    *messages.Envelope
	At       time.Time
	Replayed bool // it was dead-lettered before
}

// Stub is what a decision about an event needs that is not in memory.
type Stub struct {
	Place
	Size int // Envelope.Size
}

// Tries is what is known of an event's attempts after a restart.
type Tries struct {
	Attempts int  // begun so far
	Charged  int  // of them, those that count against max_attempts
	Failures int  // of them, those after which it waited, each longer than before
	Begun    bool // one may be under way of which nobody will learn the outcome; told with max_attempts 1 only
}

// Kept is what a journal keeps of an endpoint.
type Kept struct {
	Last uint64 // the highest number given so far
	Held [messages.ClassCount]Volume
}

// Volume is how much room events take.
type Volume struct {
	Events int
	Bytes  int64 // of Envelope.Size
}

// Read is what an owner read from a journal for Endpoint.Filled. It is in the order of acceptance.
type Read struct {
	Events  []Stored
	Damaged []Stub // what is kept of these can't be read, or is not what was accepted
	Through uint64 // all numbers up to this one were looked at
}

// Stored is an event as a journal gives it back.
type Stored struct {
	Acceptance
	Tries Tries
}

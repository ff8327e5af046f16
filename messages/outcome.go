package messages

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// OutcomeKind is what an attempt means for its event and its endpoint.
type OutcomeKind uint8

const (
	OutcomeDelivered    OutcomeKind = iota + 1 // the endpoint took the event
	OutcomeRejected                            // the endpoint, which is alive, will never take it
	OutcomeFailed                              // the endpoint failed at it, and may have seen it
	OutcomeAway                                // the endpoint can't be reached, or takes nothing at present
	OutcomeThrottled                           // the endpoint asks for a pause
	OutcomeNotProcessed                        // the endpoint surely did nothing with the request
	OutcomeLocal                               // this machine lacks what an attempt takes
)

var outcomeKinds = [...]string{
	OutcomeDelivered:    "delivered",
	OutcomeRejected:     "rejected",
	OutcomeFailed:       "failed",
	OutcomeAway:         "away",
	OutcomeThrottled:    "throttled",
	OutcomeNotProcessed: "not_processed",
	OutcomeLocal:        "local",
}

// OutcomeKinds lists every kind.
func OutcomeKinds() []OutcomeKind {
	kinds := make([]OutcomeKind, 0, len(outcomeKinds)-1)
	for kind := OutcomeDelivered; int(kind) < len(outcomeKinds); kind++ {
		kinds = append(kinds, kind)
	}
	return kinds
}

// String is the kind's name in metrics and logs, "not_processed" for example; any other OutcomeKind says so.
func (k OutcomeKind) String() string {
	if k < OutcomeDelivered || k > OutcomeLocal {
		return fmt.Sprintf("invalid kind %d", uint8(k))
	}
	return outcomeKinds[k]
}

// Outcome is how one attempt ended.
type Outcome struct {
	Kind       OutcomeKind
	Status     int           // the answer's HTTP status; 0: no answer came
	Err        error         // why it is not OutcomeDelivered; never shows a URL or a header; nil when it is
	Answer     string        // the beginning of a refusing answer, in one line, without our secrets; "": it says nothing
	Sent       bool          // whether the endpoint may have processed the request
	PauseAsked bool          // whether a 429 or a 503 came with a valid Retry-After
	Pause      time.Duration // how long it asks for, from the answer on: 0 or more, without an upper bound
}

// Cancelled tells whether the attempt ended because its context was cancelled, not because of the endpoint.
func (o Outcome) Cancelled() bool { return errors.Is(o.Err, context.Canceled) }

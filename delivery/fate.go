package delivery

// Fate is what became of an event that was accepted. Each accepted event gets exactly one.
type Fate uint8

const (
	Delivered Fate = iota // the endpoint answered 2xx

	Routed   // the router forwarded it to at least one endpoint
	Unwanted // no endpoint wants it

	DroppedEvicted  // it gave way to a newer one, by drop_policy oldest
	DroppedRefused  // there was no room for it
	DroppedTooLarge // it is larger than the whole bound
	DroppedClosed   // it came after the queue was sealed
	DroppedInvalid  // it was no event: a nil pointer
	DroppedPanic    // the router panicked over it
	DroppedDamaged  // what a journal kept of it can't be read any more

	DeadRejected       // the endpoint will never take it: 400, 413, 422 …
	DeadMaxAttempts    // a live endpoint failed at it max_attempts times
	DeadGiveUpAfter    // the endpoint was away for it, and delivered others, for longer than give_up_after
	DeadPanic          // an attempt, or the endpoint actor, panicked over it
	DeadUnknownOutcome // nobody knows whether it arrived: its request was cancelled at shutdown, or the process ended meanwhile
	DeadShutdown       // it was still held at shutdown
	DeadMaxAge         // it waited for longer than max_age

	fateCount = int(DeadMaxAge) + 1
)

// Kinds of a Fate, as metrics and the summary name them.
const (
	KindDelivered    = "delivered"
	KindRouted       = "routed"
	KindUnwanted     = "unwanted"
	KindDropped      = "dropped"
	KindDeadLettered = "dead_lettered"
)

var fates = [fateCount]struct{ kind, reason string }{
	Delivered:          {KindDelivered, ""},
	Routed:             {KindRouted, ""},
	Unwanted:           {KindUnwanted, ""},
	DroppedEvicted:     {KindDropped, "evicted"},
	DroppedRefused:     {KindDropped, "refused"},
	DroppedTooLarge:    {KindDropped, "too_large"},
	DroppedClosed:      {KindDropped, "closed"},
	DroppedInvalid:     {KindDropped, "invalid"},
	DroppedPanic:       {KindDropped, "panic"},
	DroppedDamaged:     {KindDropped, "damaged"},
	DeadRejected:       {KindDeadLettered, "rejected"},
	DeadMaxAttempts:    {KindDeadLettered, "max_attempts"},
	DeadGiveUpAfter:    {KindDeadLettered, "give_up_after"},
	DeadPanic:          {KindDeadLettered, "panic"},
	DeadUnknownOutcome: {KindDeadLettered, "unknown_outcome"},
	DeadShutdown:       {KindDeadLettered, "shutdown"},
	DeadMaxAge:         {KindDeadLettered, "max_age"},
}

// Kind is one of the Kind constants.
func (f Fate) Kind() string { return fates[f].kind }

// Reason is why an event was dropped or dead-lettered; "" for the other kinds.
func (f Fate) Reason() string { return fates[f].reason }

// Reasons lists every reason that a fate of this kind, KindDropped or KindDeadLettered, can have.
func Reasons(kind string) []string {
	var reasons []string
	for _, fate := range fates {
		if fate.kind == kind {
			reasons = append(reasons, fate.reason)
		}
	}
	return reasons
}

// Ledger is the account of one queue, read at one moment: Accepted is the sum of all fates and of what is held.
type Ledger struct {
	Accepted       uint64
	AcceptedReplay uint64 // of the accepted, replayed dead letters
	AcceptedStore  uint64 // of the accepted, what the journal had kept when the process began
	Waiting        int    // events never sent by this process
	InFlight       int    // events that were handed out and have no fate yet
	Retrying       int    // events that wait for a retry
	Bytes          int64  // the size of all that takes room: what is held, and dead letters on their way
	Kept           int    // events that are held and outlive the process: all with a journal, none without
	Lost           uint64 // of the dead letters, those that nothing kept

	fates [fateCount]uint64
}

// Held is the number of events that have no fate yet.
func (l Ledger) Held() int { return l.Waiting + l.InFlight + l.Retrying }

// Of is the number of events with this fate.
func (l Ledger) Of(f Fate) uint64 { return l.fates[f] }

// Total is the number of events with a fate of this kind.
func (l Ledger) Total(kind string) uint64 {
	var total uint64
	for f, n := range l.fates {
		if fates[f].kind == kind {
			total += n
		}
	}
	return total
}

// ByReason is the number of events for each reason of this kind that occurred.
func (l Ledger) ByReason(kind string) map[string]uint64 {
	reasons := map[string]uint64{}
	for f, n := range l.fates {
		if fates[f].kind == kind && n > 0 {
			reasons[fates[f].reason] = n
		}
	}
	return reasons
}

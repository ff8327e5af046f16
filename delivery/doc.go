// Package delivery holds the rules by which one endpoint gets its events: which goes out when, what an answer means for
// it and for the endpoint, what gives way when there is no room, and what is given up. It knows no actor, no clock, no
// network and no disk: time and outcomes come in as parameters, decisions go out as return values, and a test keeps it so.
//
// # What comes in
//
// Any goroutine hands events to the Backlog, by Offer, or OfferReplay for one that was dead-lettered before. The Signals
// that it gets back say when the owner, who drives the Endpoint, has to look again; they come once, not for each event.
// All else comes from the owner:
//
//   - Settle, with the outcome of an attempt that ended, or Panicked, where the attempt itself broke off;
//   - Quarantine, for a delivery over which the owner panicked;
//   - Filled and ReadFailed, with what was read from the journal, where there is one;
//   - Drain, when the program is to stop, and Halt, when it stops at once.
//
// # What goes out
//
// After each of these, after Signals.Available, and at the time that Wake named, the owner asks in this order, always with
// the present time:
//
//   - GiveUp: verdicts on what must not wait any longer;
//   - CutoffCame: whether to cancel the requests in flight;
//   - Next, until it is nil: deliveries, each of which is to be attempted now and ends by one Settle or Panicked;
//   - with a journal ReadAhead, once: what is to be read now, beside all this, and comes back by Filled or ReadFailed;
//   - Wake: when to ask again, if nothing comes in before;
//   - Drained: whether all is over.
//
// Each delivery is handed out by a call of its own, so that the owner begins one before it gets another, and a panic
// between costs no more than one. What was in flight before a panic is in flight after it: an Endpoint is not tied to
// whoever drives it.
//
// A Verdict tells what follows. Where it is DeadLettered, the owner keeps the events elsewhere and calls Backlog.Leave for
// each: until then they take room, so that what is dead-lettered is bounded too.
//
// # What outlives the process
//
// Restore gives an endpoint a Journal, which keeps what is held, and holds what it kept. Each event has a number, by the
// order of acceptance. The journal hears of each that is accepted, of its attempts that are charged, and of its end where
// it is delivered or dropped; a dead letter it hears of by who keeps the letter. Where Marks is true the owner lets the
// journal know of an attempt before it begins, and then calls Begun.
//
// In memory is a window of the events that were accepted first: what waits, what is in flight or waits for a retry, and
// dead letters on their way. An event that comes when it is full goes behind it, and so do all that come after, until
// nothing is behind any more. Of these the backlog knows how much room each class takes, which is all that bounds and
// shares need; of one that has to give way it asks the journal. So the window changes no fate and no order. It delays: what
// is too old is given up when it is read, and while requests in flight and retries fill the window, nothing is read. Then
// a batch, too, has to do with what is in memory.
//
// An event that was tried by an earlier process goes on with its attempts, and waits as one never sent: its wait for the
// retry is over, and it gives way as those do.
//
// With a journal neither Drain nor Halt gives up anything: a drain is over when nothing is in flight and no dead letter on
// its way.
//
// # What can be read
//
// Each accepted event gets exactly one Fate. The Ledger is the account of all of them, at any moment and exact:
//
//	accepted = delivered + dropped + dead-lettered + held
//
// The same Backlog, without an Endpoint, is the queue in front of the router, which takes with TakeEvent and ends with
// SettleEvent.
//
// The rules are told as stories in testdata: what comes in, when, and what goes out.
package delivery

package delivery

import (
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// Delivery is what one request carries to one endpoint, from its first attempt until all of it has a fate: one event or,
// where the endpoint batches, a batch.
type Delivery struct {
	tries
	single [1]arrival // where batch is nil
	batch  *batch

	due             time.Time // when the wait for the next attempt is over
	accepted        uint64    // the number of its first event
	probe           uint64    // the number of the latest probe that it was, 0 for none
	generation      uint64    // the breaker's when the latest attempt began
	throttlesBefore uint64    // throttled answers that the endpoint had counted then
	lastStatus      int
	lastError       string
	lastAnswer      string

	place      place
	dueIndex   int // in retries.byDue
	orderIndex int // in retries.byOrder
}

// arrival is an event that an endpoint accepted.
type arrival struct {
	event  *messages.Envelope
	at     time.Time
	number uint64 // Place.Number
	tries  *Tries // of a restored event, where it was tried; nil for other events

	receipt func(error) // hears that it gave way before it was taken; nil where nobody waits for that
}

// giveWay tells who waits for the receipt.
func (a arrival) giveWay() {
	if a.receipt != nil {
		a.receipt(messages.ErrQueueFull)
	}
}

func (a arrival) place() Place { return Place{Class: a.event.Type().Class(), Number: a.number} }

func placesOf(arrivals []arrival) []Place {
	places := make([]Place, len(arrivals))
	for i, a := range arrivals {
		places[i] = a.place()
	}
	return places
}

func envelopes(arrivals []arrival) []*messages.Envelope {
	events := make([]*messages.Envelope, len(arrivals))
	for i, a := range arrivals {
		events[i] = a.event
	}
	return events
}

// tries is how often events were sent together.
type tries struct {
	attempts int // begun so far
	charged  int // of them, those that count against max_attempts
	failures int // of them, those that ended without an end for the events

	deliveredBefore uint64    // what the endpoint had delivered when the latest attempt ended
	passedOver      int       // of the attempts, those that found the endpoint away although it delivered others meanwhile
	passedOverSince time.Time // when the first of these ended, as the breaker's awake tells time
	unprocessed     bool      // of the attempts one was not processed

	begun       bool // Tries.Begun
	toldBegun   bool // as the journal knows it
	toldCharged int  // as the journal knows it
}

type place uint8

const (
	inFlight place = iota
	retrying
	gone
)

// ID is what the request is known by: the event's id, or the batch's own.
func (d *Delivery) ID() string {
	if d.batch != nil {
		return d.batch.id
	}
	return d.single[0].event.ID
}

// Events are the events that the present request carries, from Next until its end: for any goroutine that makes it.
func (d *Delivery) Events() []*messages.Envelope { return envelopes(d.outgoing()) }

// outgoing are the events that the next request carries, or the present one.
func (d *Delivery) outgoing() []arrival {
	if d.batch != nil {
		return d.batch.outgoing
	}
	return d.single[:]
}

// parts are all the events, as they go out together, the next ones first.
func (d *Delivery) parts() []part {
	parts := []part{{d.outgoing(), d.tries}}
	if d.batch != nil {
		for i := len(d.batch.rest) - 1; i >= 0; i-- {
			parts = append(parts, d.batch.rest[i])
		}
	}
	return parts
}

// size is the number of events.
func (d *Delivery) size() int {
	if d.batch == nil {
		return 1
	}
	return d.batch.events
}

// class is the class of the event; a batch, of which nothing gives way, may have several, and counts as the first.
func (d *Delivery) class() messages.Class {
	if d.batch != nil {
		return 0
	}
	return d.single[0].event.Type().Class()
}

// latest is when the event was accepted that was accepted last.
func (d *Delivery) latest() time.Time {
	if d.batch == nil {
		return d.single[0].at
	}
	return d.batch.latest
}

package delivery

import "github.com/fluxmq/webhookd/messages"

// Verdict is what the end of an attempt, or giving up, means for events that were together.
type Verdict struct {
	Fate       Fate   // where they have one
	Attempts   int    // that they had together
	LastStatus int    // of the latest answer; 0: none came
	LastError  string // of the latest attempt; "": it had none
	LastAnswer string // of the latest attempt; "": no answer came, or it said nothing

	arrivals []arrival
	sequel   sequel
}

// sequel is what follows for events that went out.
type sequel uint8

const (
	done  sequel = iota // they have their fate
	retry               // they go out again, after a wait
	split               // they go out again in halves
)

// DeadLettered tells whether the events are to be kept as dead letters, and then Backlog.Leave called for each.
func (v Verdict) DeadLettered() bool { return v.sequel == done && v.Fate.Kind() == KindDeadLettered }

// Events are the events that it is about.
func (v Verdict) Events() []*messages.Envelope { return envelopes(v.arrivals) }

// Held are the places of the events, in their order.
func (v Verdict) Held() []Place { return make([]Place, len(v.arrivals)) }

// String is "delivered", "dead letter", "retry" or "split".
func (v Verdict) String() string {
	switch {
	case v.sequel == retry:
		return "retry"
	case v.sequel == split:
		return "split"
	case v.Fate == Delivered:
		return "delivered"
	}
	return "dead letter"
}

func (d *Delivery) verdict(p part, fate Fate, sequel sequel) Verdict {
	return Verdict{
		Fate: fate, Attempts: p.attempts, LastStatus: d.lastStatus, LastError: d.lastError, LastAnswer: d.lastAnswer,
		arrivals: p.arrivals, sequel: sequel,
	}
}

// givenUp are the verdicts on all that is left of a delivery.
func (d *Delivery) givenUp(fate Fate) []Verdict {
	var verdicts []Verdict
	for _, part := range d.parts() {
		verdicts = append(verdicts, d.verdict(part, fate, done))
	}
	return verdicts
}

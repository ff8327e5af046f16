package store

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
)

// latestLetters are the letters that stay in memory: up to MaxDeadLetters or MaxDeadLettersBytes of events.
type latestLetters struct {
	letters delivery.FIFO[*DeadLetter]
	bytes   int
}

func (l *latestLetters) add(letter *DeadLetter) {
	l.letters.Push(letter)
	l.bytes += letter.Event.Size()
	for l.letters.Len() > MaxDeadLetters || l.bytes > MaxDeadLettersBytes {
		forgotten, _ := l.letters.Pop()
		l.bytes -= forgotten.Event.Size()
	}
}

func (l *latestLetters) items() []*DeadLetter { return l.letters.Items() }

// newLetterID makes an id that sorts by the time at which it was made (RFC 9562, version 7).
func newLetterID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// UnreadableError tells that a dead letter is kept, but its event can't be read.
type UnreadableError struct {
	ID  uuid.UUID
	Err error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("read the event of the dead letter %s: %v", e.ID, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

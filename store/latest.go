package store

import (
	"bytes"

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

// letterIDs makes ids in the order of giving up, also where the clock goes back (RFC 9562, version 7 and section 6.2).
type letterIDs struct {
	last uuid.UUID
}

func (i *letterIDs) next() uuid.UUID {
	id := newLetterID()
	if bytes.Compare(id[:], i.last[:]) <= 0 {
		id = following(i.last)
	}
	i.last = id
	return id
}

// following is an id of the same time that sorts behind this one.
func following(id uuid.UUID) uuid.UUID {
	const tail = 8 // what follows the variant's byte
	for i := len(id) - 1; i > tail; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

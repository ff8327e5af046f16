package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// ErrUnknownEndpoint is why a replay leaves a dead letter alone whose endpoint is not configured any more.
var ErrUnknownEndpoint = errors.New("there is no endpoint of this name")

// Offer hands an event to the endpoint of this name alone. It fails with messages.ErrQueueFull, messages.ErrTooLarge,
// messages.ErrClosed or ErrUnknownEndpoint; where it doesn't, it calls ended once, from any goroutine, when the event has
// its fate.
type Offer func(endpoint string, event *messages.Envelope, ended func(delivery.Fate)) error

// Replay offers the event of every open letter that the filter chooses to the letter's endpoint, as it was: with its
// event_id, timestamp and broker_id. A letter is closed when its event is delivered, or dead-lettered again, which makes a
// letter of its own; it stays open when the event is dropped, and at a crash before that. While it is being replayed no
// other replay takes it. Of an endpoint whose queue is full the rest is left.
//
// One replay runs at a time; others wait. Its errors are List's, and come with what was done so far.
func (l *DeadLetters) Replay(ctx context.Context, filter DeadLetterFilter, offer Offer) (ReplayResult, error) {
	view, err := l.view(ctx, l.replay)
	if err != nil {
		return ReplayResult{}, err
	}
	defer view.close()
	run := replayRun{
		replays: &l.replays,
		offer:   offer,
		full:    map[string]bool{},
		result:  ReplayResult{Until: time.Now().UTC()},
	}
	for letter, err := range view.letters {
		if err == nil && letter.replayed == nil && filter.MatchID(letter.id) {
			err = run.consider(letter, &filter)
		}
		if err != nil {
			return run.result, err
		}
	}
	run.result.Skipped += view.skipped
	return run.result, nil
}

// replayRun is one replay under way.
type replayRun struct {
	replays *replays
	offer   Offer
	full    map[string]bool // endpoints whose queue is full
	result  ReplayResult
}

func (r *replayRun) consider(letter *storedLetter, filter *DeadLetterFilter) error {
	record, err := letter.record(false)
	if err != nil {
		r.result.Skipped++
		return nil
	}
	switch {
	case !filter.Match(record):
	case letter.replaying:
		r.result.Replaying++
	case r.full[record.Endpoint]:
		r.result.Left++
	default:
		return r.send(letter)
	}
	return nil
}

func (r *replayRun) send(letter *storedLetter) error {
	record, event, err := readEvent(letter)
	if err != nil {
		r.result.Unreadable++
		return nil
	}
	if !r.replays.claim(letter.id, event) {
		r.result.Replaying++ // two lines have this id
		return nil
	}
	err = r.offer(record.Endpoint, event, func(fate delivery.Fate) { r.replays.end(event, fate) })
	if err != nil {
		r.replays.release(event)
	}
	switch {
	case err == nil:
		r.result.Accepted++
	case errors.Is(err, messages.ErrQueueFull):
		r.full[record.Endpoint] = true
		r.result.Left++
	case errors.Is(err, messages.ErrTooLarge):
		r.result.TooLarge++
	case errors.Is(err, ErrUnknownEndpoint):
		r.result.UnknownEndpoint++
	default:
		return fmt.Errorf("replay a dead letter: %w", err)
	}
	return nil
}

func readEvent(letter *storedLetter) (*DeadLetterRecord, *messages.Envelope, error) {
	record, err := letter.record(true)
	if err != nil {
		return nil, nil, err
	}
	event, err := messages.RestoreEnvelope(record.Event)
	return record, event, err
}

// OnReplayEnd sets whom to tell that RecordReplayEnds has something to do. It must return at once.
func (l *DeadLetters) OnReplayEnd(notify func()) { l.replays.listen(notify) }

// RecordReplayEnds closes the letters whose replay has ended.
func (l *DeadLetters) RecordReplayEnds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recordReplayEnds()
}

// recordReplayEnds writes down which replays have ended. What can't be written stays to be recorded, and is not replayed
// meanwhile.
func (l *DeadLetters) recordReplayEnds() {
	for {
		end, ok := l.replays.firstEnded()
		if !ok {
			return
		}
		if err := l.record(end); err != nil {
			l.complainOf(fmt.Errorf("record the end of a replay: %w", err))
			return
		}
		l.replays.recorded(end)
	}
}

func (l *DeadLetters) record(end ReplayEnd) error {
	if l.file != nil {
		return l.file.write(end, time.Now())
	}
	for _, letter := range l.latest.Items() {
		if letter.ID == end.ID {
			l.replayed[end.ID] = end.Replayed
		}
	}
	return nil
}

package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// Bounds of the dead letters that stay in memory: the latest ones.
const (
	MaxDeadLetters      = 1000
	MaxDeadLettersBytes = 16 << 20
)

// complaintInterval is the time between two log lines about failures of one kind.
const complaintInterval = 10 * time.Second

// DeadLetters keeps the events that were given up: the latest in memory and, with a directory, every one in files. They
// are listed, shown and replayed from the files, or without a directory from memory. Its methods may be called from any
// goroutine.
type DeadLetters struct {
	log *slog.Logger

	closed context.Context // ends with Close, and ends whoever reads
	close  context.CancelFunc
	reads  chan struct{} // holds a token for each that is in progress
	replay chan struct{}

	mu       sync.Mutex
	latest   delivery.FIFO[*DeadLetter]
	bytes    int
	replayed map[uuid.UUID]Replayed // of latest, without a file
	file     *letterFile            // nil: memory only
	deleted  Deletions              // of a file that is closed
	complain time.Time

	replays replays
}

// OpenDeadLetters opens the files in cfg.Dir, which is made where it is missing, and deletes those that are too old or too
// many; with "" nothing but memory keeps the letters. It fails when the folder can't be used.
func OpenDeadLetters(cfg config.DeadLetters, log *slog.Logger) (*DeadLetters, error) {
	letters := &DeadLetters{
		log:      log,
		reads:    make(chan struct{}, maxReads),
		replay:   make(chan struct{}, 1),
		replayed: map[uuid.UUID]Replayed{},
	}
	letters.closed, letters.close = context.WithCancel(context.Background())
	letters.replays.init()
	if cfg.Dir == "" {
		return letters, nil
	}
	var err error
	letters.file, err = openLetterFile(cfg, time.Now(), log)
	return letters, err
}

// Keep gives the letter its ID and tells whether it is kept where it is safe: in the file, or without one in memory,
// unless the program is stopping.
func (l *DeadLetters) Keep(letter *DeadLetter, stopping bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.store(letter, stopping)
	l.replays.deadLettered(letter.Event, kept)
	l.recordReplayEnds()
	return kept
}

func (l *DeadLetters) store(letter *DeadLetter, stopping bool) bool {
	letter.ID = uuid.New()
	l.remember(letter)
	if l.file == nil {
		return !stopping
	}
	if err := l.file.write(letter, time.Now()); err != nil {
		l.complainOf(err)
		return false
	}
	return true
}

func (l *DeadLetters) remember(letter *DeadLetter) {
	l.latest.Push(letter)
	l.bytes += letter.Event.Size()
	for l.latest.Len() > MaxDeadLetters || l.bytes > MaxDeadLettersBytes {
		forgotten, _ := l.latest.Pop()
		l.bytes -= forgotten.Event.Size()
		delete(l.replayed, forgotten.ID)
	}
}

func (l *DeadLetters) complainOf(err error) {
	if now := time.Now(); now.Sub(l.complain) >= complaintInterval {
		l.complain = now
		l.log.Error("a dead letter is not kept", "error", err)
	}
}

// Latest lists the letters in memory, the oldest first, also after Close.
func (l *DeadLetters) Latest() []*DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest.Items()
}

// Age tells whether letters get too old while nothing is kept: then Tend is to be called now and then.
func (l *DeadLetters) Age() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file != nil && l.file.maxAge > 0
}

// Tend deletes the letters that are older than max_age, and records again what could not be recorded before.
func (l *DeadLetters) Tend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.tend(time.Now())
	}
	l.recordReplayEnds()
}

// Deleted is how many letters were deleted from the files since they were opened.
func (l *DeadLetters) Deleted() Deletions {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return l.file.deleted
	}
	return l.deleted
}

// Close writes the file to the disk and closes it, and ends whoever reads. What is kept afterwards is kept in memory
// only.
func (l *DeadLetters) Close() error {
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recordReplayEnds()
	if l.file == nil {
		return nil
	}
	err := l.file.close()
	l.deleted = l.file.deleted
	l.file = nil
	return err
}

// begin waits for a place among those who read, and returns a context that ends with Close too. Its errors are ctx's and
// messages.ErrClosed.
func (l *DeadLetters) begin(ctx context.Context, places chan struct{}) (_ context.Context, end func(), err error) {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, errors.Join(ErrDeadLettersBusy, ctx.Err())
	case <-l.closed.Done():
	}
	if l.closed.Err() != nil {
		return nil, nil, messages.ErrClosed // for good: nobody needs the place
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.closed, func() { cancel(messages.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		<-places
	}, nil
}

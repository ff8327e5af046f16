package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/scheduler"
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

// DeadLetters keeps the events that were given up: the latest in memory and, with a directory, every one in files. They
// are listed, shown and replayed from the files, or without a directory from memory.
type DeadLetters struct {
	log    *slog.Logger
	system *actor.ActorSystem
	pid    *actor.PID

	closed context.Context // ends with Close, and ends whoever reads
	close  context.CancelFunc
	reads  chan struct{} // holds a token for each that is under way
	replay chan struct{}

	mu        sync.Mutex
	latest    delivery.FIFO[*messages.DeadLetter]
	bytes     int
	marked    map[uuid.UUID]messages.Replayed // of latest, without a file
	file      *letterFile                     // nil: memory only
	complain  time.Time
	cancelDue scheduler.CancelFunc // of the latest tendFile

	replays replays
}

// OpenDeadLetters opens the files in cfg.Dir, which is made where it is missing, and deletes those that are too old or too
// many; with "" nothing but memory keeps the letters. It fails when the folder can't be used.
func OpenDeadLetters(cfg config.DeadLetters, log *slog.Logger) (*DeadLetters, error) {
	letters := &DeadLetters{
		log:    log,
		reads:  make(chan struct{}, maxReads),
		replay: make(chan struct{}, 1),
		marked: map[uuid.UUID]messages.Replayed{},

		cancelDue: func() {},
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

// Spawn starts the dead-letter actor as a child of the one whose context it is.
func (l *DeadLetters) Spawn(ctx actor.Context) {
	l.system = ctx.ActorSystem()
	l.pid = ctx.Spawn(actor.PropsFromFunc(l.receive))
}

// PID is the dead-letter actor's; nil before Spawn.
func (l *DeadLetters) PID() *actor.PID { return l.pid }

// Latest lists the letters in memory, the oldest first. Any goroutine may call it, also after Close.
func (l *DeadLetters) Latest() []*messages.DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest.Items()
}

// Close writes the file to the disk and closes it, and ends whoever reads. What is kept afterwards is kept in memory
// only.
func (l *DeadLetters) Close() error {
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark()
	if l.file == nil {
		return nil
	}
	err := l.file.close()
	l.file = nil
	return err
}

// bury asks the dead-letter actor to keep a letter. It answers with buried.
type bury struct {
	letter   *messages.DeadLetter
	stopping bool // memory won't keep it: the program ends

	tried, kept bool // guarded by DeadLetters.mu
}

type buried struct {
	bury *bury
	lost bool
}

// tendFile is the delayed message that the dead-letter actor sends itself: files get too old while nothing is written.
type tendFile struct{}

const tendInterval = time.Hour

func (l *DeadLetters) receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		l.replays.listen(func() { l.system.Root.Send(l.pid, &replayEnded{}) })
		l.tendLater(ctx)
	case *bury:
		ctx.Respond(&buried{bury: message, lost: !l.keep(message)})
	case *replayEnded:
		l.markEnded()
	case *tendFile:
		l.tend()
		l.tendLater(ctx)
	case *actor.Stopping:
		l.replays.listen(func() {}) // Close marks what ends from now on
		l.cancelDue()
	}
}

func (l *DeadLetters) tendLater(ctx actor.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelDue()
	if l.file != nil && l.file.maxAge > 0 {
		l.cancelDue = scheduler.NewTimerScheduler(l.system.Root).SendOnce(tendInterval, ctx.Self(), &tendFile{})
	}
}

func (l *DeadLetters) tend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.tend(time.Now())
	}
	l.mark()
}

// keep tells whether the letter is kept where it is safe. It is stored once: a stopped endpoint asks again for those of
// which it does not know whether the dead-letter actor came to them.
func (l *DeadLetters) keep(b *bury) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.tried {
		b.tried, b.kept = true, l.store(b.letter, b.stopping)
		l.replays.buried(b.letter.Event, b.kept)
		l.mark()
	}
	return b.kept
}

// store puts the letter into memory and into the file; it is safe in the file, or without one in memory unless the
// program ends.
func (l *DeadLetters) store(letter *messages.DeadLetter, stopping bool) bool {
	letter.ID = uuid.New()
	l.remember(letter)
	if l.file == nil {
		return !stopping
	}
	if err := l.file.write(letter); err != nil {
		l.complainOf(err)
		return false
	}
	return true
}

func (l *DeadLetters) remember(letter *messages.DeadLetter) {
	l.latest.Push(letter)
	l.bytes += letter.Event.Size()
	for l.latest.Len() > MaxDeadLetters || l.bytes > MaxDeadLettersBytes {
		forgotten, _ := l.latest.Pop()
		l.bytes -= forgotten.Event.Size()
		delete(l.marked, forgotten.ID)
	}
}

func (l *DeadLetters) complainOf(err error) {
	if now := time.Now(); now.Sub(l.complain) >= complaintInterval {
		l.complain = now
		l.log.Error("a dead letter is not kept", "error", err)
	}
}

// begin waits for a place among those who read, and returns a context that ends with Close too. Its errors are ctx's and
// messages.ErrClosed.
func (l *DeadLetters) begin(ctx context.Context, places chan struct{}) (_ context.Context, end func(), err error) {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, errors.Join(messages.ErrDeadLettersBusy, ctx.Err())
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

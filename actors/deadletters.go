package actors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/messages"
)

// Bounds of the dead letters that stay in memory: the latest ones.
const (
	MaxDeadLetters      = 1000
	MaxDeadLettersBytes = 16 << 20
)

// DeadLettersFile is the file in dead_letters.dir: a JSON line for each dead letter, the latest last.
const DeadLettersFile = "dead-letters.jsonl"

// DeadLetters keeps the events that were given up: the latest in memory and, with a directory, every one in a file.
type DeadLetters struct {
	log *slog.Logger
	pid *actor.PID

	mu       sync.Mutex
	latest   fifo[*messages.DeadLetter]
	bytes    int
	file     *os.File // nil: memory only
	torn     bool     // the file's last line has no end
	complain time.Time
}

// OpenDeadLetters opens the file in dir, which is made where it is missing; with "" nothing but memory keeps the letters.
func OpenDeadLetters(dir string, log *slog.Logger) (*DeadLetters, error) {
	letters := &DeadLetters{log: log}
	if dir == "" {
		return letters, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for dead letters: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, DeadLettersFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file for dead letters: %w", err)
	}
	letters.file = file
	if letters.torn, err = endsTorn(file); err != nil {
		return nil, errors.Join(fmt.Errorf("read the file for dead letters: %w", err), file.Close())
	}
	return letters, nil
}

// endsTorn tells whether a crash or a full disk cut the last line off.
func endsTorn(file *os.File) (bool, error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, end-1)
	return last[0] != '\n', err
}

// Spawn starts the dead-letter actor as a child of the one whose context it is.
func (l *DeadLetters) Spawn(ctx actor.SpawnerContext) {
	l.pid = ctx.Spawn(actor.PropsFromFunc(l.receive))
}

// PID is the dead-letter actor's; nil before Spawn.
func (l *DeadLetters) PID() *actor.PID { return l.pid }

// Latest lists the letters in memory, the oldest first. Any goroutine may call it, also after Close.
func (l *DeadLetters) Latest() []*messages.DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest.items()
}

// Close writes the file to the disk and closes it. What is kept afterwards is kept in memory only.
func (l *DeadLetters) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.file.Sync(), l.file.Close())
	l.file = nil
	if err != nil {
		return fmt.Errorf("close the file for dead letters: %w", err)
	}
	return nil
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

func (l *DeadLetters) receive(ctx actor.Context) {
	if message, ok := ctx.Message().(*bury); ok {
		ctx.Respond(&buried{bury: message, lost: !l.keep(message)})
	}
}

// keep tells whether the letter is kept where it is safe. It is stored once: a stopped endpoint asks again for those of
// which it does not know whether the dead-letter actor came to them.
func (l *DeadLetters) keep(b *bury) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.tried {
		b.tried, b.kept = true, l.store(b.letter, b.stopping)
	}
	return b.kept
}

// store puts the letter into memory and into the file; it is safe in the file, or without one in memory unless the
// program ends.
func (l *DeadLetters) store(letter *messages.DeadLetter, stopping bool) bool {
	l.remember(letter)
	if l.file == nil {
		return !stopping
	}
	if err := l.write(letter); err != nil {
		l.complainOf(err)
		return false
	}
	return true
}

func (l *DeadLetters) remember(letter *messages.DeadLetter) {
	l.latest.push(letter)
	l.bytes += letter.Event.Size()
	for l.latest.length > MaxDeadLetters || l.bytes > MaxDeadLettersBytes {
		forgotten, _ := l.latest.pop()
		l.bytes -= forgotten.Event.Size()
	}
}

func (l *DeadLetters) write(letter *messages.DeadLetter) error {
	var line bytes.Buffer
	if l.torn {
		line.WriteByte('\n')
	}
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(letter); err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	written, err := l.file.Write(line.Bytes())
	if err != nil {
		l.torn = l.torn || written > 0
		return fmt.Errorf("write a dead letter: %w", err)
	}
	l.torn = false
	return nil
}

func (l *DeadLetters) complainOf(err error) {
	if now := time.Now(); now.Sub(l.complain) >= complaintInterval {
		l.complain = now
		l.log.Error("a dead letter is not kept", "error", err)
	}
}

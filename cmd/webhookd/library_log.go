package main

import (
	stdlog "log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const libraryLogInterval = 10 * time.Second

// sayings are how lines begin that net/http writes about endpoints. What follows may quote what an endpoint sent, and an
// endpoint may send our own tokens back.
var sayings = []string{
	"Unsolicited response received on idle HTTP channel",
	"http2: Transport received unsolicited DATA frame",
	"protocol error: received DATA after END_STREAM",
	"protocol error: received DATA before a HEADERS frame",
	"protocol error: received DATA on a HEAD request",
	"protocol error",
}

// unknownSaying stands for every other line.
const unknownSaying = "something that is not shown, because it may quote what an endpoint sent"

// libraryLog takes what the standard library logs: net/http has no other way to say something of a connection. It may
// say it with each request; so it is shown seldom, and nothing of it that may be an endpoint's.
type libraryLog struct {
	log *slog.Logger

	mu      sync.Mutex
	next    time.Time // not before then
	leftOut int
}

// takeLibraryLog makes the log that of the standard library, too.
func takeLibraryLog(log *slog.Logger) {
	slog.SetDefault(log)
	stdlog.SetFlags(0)
	stdlog.SetOutput(&libraryLog{log: log})
}

// Write implements io.Writer; each call is a line.
func (l *libraryLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		l.leftOut++
		return len(line), nil
	}
	said := l.log
	if l.leftOut > 0 {
		said = said.With("left_out", l.leftOut)
	}
	said.Warn("a library says", "text", saying(string(line)))
	l.next, l.leftOut = now.Add(libraryLogInterval), 0
	return len(line), nil
}

func saying(line string) string {
	for _, known := range sayings {
		if strings.HasPrefix(line, known) {
			return known
		}
	}
	return unknownSaying
}

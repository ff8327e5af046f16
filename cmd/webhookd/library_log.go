package main

import (
	"bytes"
	stdlog "log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	libraryLogInterval = 10 * time.Second
	maxLibraryLogBytes = 200
)

// libraryLog takes what the standard library logs: net/http has no other way to say something of a connection. It may
// quote what an endpoint sent, and say it with each request; so little of it is shown, and seldom.
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
	text := bytes.TrimSpace(line)
	l.log.Warn("a library says", "text", strings.ToValidUTF8(string(text[:min(len(text), maxLibraryLogBytes)]), ""), "left_out", l.leftOut)
	l.next, l.leftOut = now.Add(libraryLogInterval), 0
	return len(line), nil
}

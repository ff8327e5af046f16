package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
)

type deadLettersCommand struct {
	List   listDeadLettersCommand   `cmd:"" help:"List dead letters, the oldest first."`
	Show   showDeadLetterCommand    `cmd:"" help:"Print one dead letter, with its event, as JSON."`
	Replay replayDeadLettersCommand `cmd:"" help:"Send the events of open dead letters to their endpoints once more."`
}

// letterChoice is the flags that choose dead letters.
type letterChoice struct {
	Endpoint string        `placeholder:"NAME" help:"Those of this endpoint."`
	Type     messages.Type `placeholder:"TYPE" help:"Those whose event has this type, as message.published."`
	Since    moment        `placeholder:"TIME" help:"Those given up since this time (2026-02-05T12:00:00Z), or in so long a time (24h)."`
	Until    moment        `placeholder:"TIME" help:"Those given up before this time, or longer ago (24h)."`
	Error    string        `placeholder:"TEXT" help:"Those with this text in their last error or reason."`
}

func (c letterChoice) isEmpty() bool { return c == letterChoice{} }

func (c letterChoice) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{
		"endpoint": c.Endpoint, "type": c.typeText(), "since": c.Since.text(), "until": c.Until.text(), "error": c.Error,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// typeText is "" for all types.
func (c letterChoice) typeText() string {
	if !c.Type.Valid() {
		return ""
	}
	return c.Type.String()
}

// letterID is an argument: the id of a dead letter.
type letterID struct{ uuid.UUID }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *letterID) UnmarshalText(text []byte) error {
	if err := l.UUID.UnmarshalText(text); err != nil {
		return fmt.Errorf("%s is no id of a dead letter: dead-letters list prints them", shown(string(text), maxErrorColumn))
	}
	return nil
}

// moment is a flag: a time by RFC 3339, or a duration before now.
type moment struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) error {
	if ago, err := time.ParseDuration(string(text)); err == nil {
		if ago < 0 {
			return fmt.Errorf("%s is in the future: it means so long ago", text)
		}
		m.Time = time.Now().Add(-ago).UTC()
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return errors.New("it is no time by RFC 3339, as 2026-02-05T12:00:00Z, and no duration, as 24h")
	}
	m.Time = at.UTC()
	return nil
}

func (m moment) text() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339Nano)
}

// untilSignal is a context that ends when the program is told to stop.
func (c console) untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-c.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// shown is a text of a stranger's that can't do anything to a terminal, in so many characters at most.
func shown(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit-1]) + "…"
	}
	if !isPrintable(text) {
		return fmt.Sprintf("%+q", text)
	}
	return text
}

// shownJSON is JSON that can't do anything to a terminal: whatever is not printable, which only texts can have, is escaped.
func shownJSON(text []byte) string {
	var safe strings.Builder
	for _, r := range string(text) {
		switch {
		case r == '\n' || isPrintable(string(r)):
			safe.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	return safe.String()
}

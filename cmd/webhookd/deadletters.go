package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
	"github.com/fluxmq/webhookd/messages"
)

type deadLettersCommand struct {
	List   listDeadLettersCommand   `cmd:"" help:"List dead letters, the oldest first."`
	Show   showDeadLetterCommand    `cmd:"" help:"Print one dead letter, with its event, as JSON."`
	Replay replayDeadLettersCommand `cmd:"" help:"Send the events of open dead letters to their endpoints once more."`
}

// letterChoice is the flags that choose dead letters.
type letterChoice struct {
	Endpoint filterText    `placeholder:"NAME" help:"Those of this endpoint."`
	Type     messages.Type `placeholder:"TYPE" help:"Those whose event has this type, as message.published."`
	Since    moment        `placeholder:"TIME" help:"Those given up since this time (2026-02-05T12:00:00Z), or in so long a time (24h)."`
	Until    moment        `placeholder:"TIME" help:"Those given up before this time, or longer ago (24h)."`
	Error    filterText    `placeholder:"TEXT" help:"Those with this text in their last error or reason."`
}

func (c letterChoice) isEmpty() bool { return c == letterChoice{} }

func (c letterChoice) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{
		"endpoint": string(c.Endpoint), "type": c.typeText(), "since": c.Since.text(), "until": c.Until.text(), "error": string(c.Error),
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

// filterText is a flag that chooses by a text. Given but empty it is refused: a variable of a shell that is not set does not
// mean all.
type filterText string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *filterText) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("it is empty: leave it out to choose all")
	}
	*f = filterText(text)
	return nil
}

// letterID is an argument: the id of a dead letter.
type letterID struct{ uuid.UUID }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *letterID) UnmarshalText(text []byte) error {
	if err := l.UUID.UnmarshalText(text); err != nil {
		return fmt.Errorf("%s is no id of a dead letter: dead-letters list prints them", terminal.Shown(string(text), maxErrorColumn))
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
	if err != nil || at.IsZero() { // which would be as though it were not given
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

package messages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Replayed is how the replay of a dead letter ended.
type Replayed struct {
	Time time.Time `json:"time"`
	Fate string    `json:"fate"` // FateDelivered or FateDeadLettered
}

// How a replay ends that closes a dead letter.
const (
	FateDelivered    = "delivered"
	FateDeadLettered = "dead_lettered" // a letter of its own tells why
)

// DeadLetterMark is the line that closes an earlier dead letter.
type DeadLetterMark struct {
	ID uuid.UUID // the dead letter's
	Replayed
}

// deadLetterMarkStart begins the line of every mark and of no dead letter.
const deadLetterMarkStart = `{"replayed":`

type deadLetterMarkLine struct {
	Replayed uuid.UUID `json:"replayed"`
	Time     string    `json:"time"`
	Fate     string    `json:"fate"`
}

// MarshalJSON writes the mark as it stands in a line of the file.
func (m DeadLetterMark) MarshalJSON() ([]byte, error) {
	return marshalLine(deadLetterMarkLine{Replayed: m.ID, Time: timestampText(m.Time), Fate: m.Fate})
}

// IsDeadLetterMark tells whether a line of the file is a mark, without reading it.
func IsDeadLetterMark(line []byte) bool {
	return bytes.HasPrefix(line, []byte(deadLetterMarkStart))
}

// ParseDeadLetterMark reads the line of a mark.
func ParseDeadLetterMark(line []byte) (DeadLetterMark, error) {
	var given deadLetterMarkLine
	if err := json.Unmarshal(line, &given); err != nil {
		return DeadLetterMark{}, fmt.Errorf("read the mark of a replay: %w", err)
	}
	ended, err := time.Parse(time.RFC3339Nano, given.Time)
	if err != nil {
		return DeadLetterMark{}, fmt.Errorf("read the time of a replay: %w", err)
	}
	if given.Fate != FateDelivered && given.Fate != FateDeadLettered {
		return DeadLetterMark{}, fmt.Errorf("%.64q is no end of a replay", given.Fate)
	}
	return DeadLetterMark{ID: given.Replayed, Replayed: Replayed{Time: ended, Fate: given.Fate}}, nil
}

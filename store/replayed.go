package store

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

// ReplayEnd is the record that closes an earlier dead letter.
type ReplayEnd struct {
	ID uuid.UUID // the dead letter's
	Replayed
}

// replayEndStart begins the line of every end of a replay and of no dead letter.
const replayEndStart = `{"replayed":`

type replayEndLine struct {
	Replayed uuid.UUID `json:"replayed"`
	Time     string    `json:"time"`
	Fate     string    `json:"fate"`
}

// MarshalJSON writes the end as it stands in a line of the file.
func (e ReplayEnd) MarshalJSON() ([]byte, error) {
	return marshalLine(replayEndLine{Replayed: e.ID, Time: timestampText(e.Time), Fate: e.Fate})
}

// isReplayEnd tells whether a line of the file is the end of a replay, without reading it.
func isReplayEnd(line []byte) bool {
	return bytes.HasPrefix(line, []byte(replayEndStart))
}

// parseReplayEnd reads the line of the end of a replay.
func parseReplayEnd(line []byte) (ReplayEnd, error) {
	var given replayEndLine
	if err := json.Unmarshal(line, &given); err != nil {
		return ReplayEnd{}, fmt.Errorf("read the end of a replay: %w", err)
	}
	ended, err := time.Parse(time.RFC3339Nano, given.Time)
	if err != nil {
		return ReplayEnd{}, fmt.Errorf("read the time of a replay: %w", err)
	}
	if given.Fate != FateDelivered && given.Fate != FateDeadLettered {
		return ReplayEnd{}, fmt.Errorf("%.64q is no end of a replay", given.Fate)
	}
	return ReplayEnd{ID: given.Replayed, Replayed: Replayed{Time: ended, Fate: given.Fate}}, nil
}

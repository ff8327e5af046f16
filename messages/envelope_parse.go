package messages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxEventIDBytes is the longest event_id that is taken from a sender.
const MaxEventIDBytes = 64

var eventID = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{1,%d}$`, MaxEventIDBytes))

// ParseEnvelope reads an event from the JSON form in which webhookd sends it. event_type and data are required;
// event_id, timestamp (RFC 3339) and broker_id are kept where given and left for the router to fill in where not; the
// zero time, 0001-01-01T00:00:00Z, counts as not given. Every error names a field (*FieldError) unless the text is no
// JSON object at all, and quotes at most 64 characters of it. An unknown field is an error, because it would be lost.
func ParseEnvelope(text []byte) (*Envelope, error) {
	var given struct {
		Type      *string         `json:"event_type"`
		ID        *string         `json:"event_id"`
		Timestamp *string         `json:"timestamp"`
		BrokerID  string          `json:"broker_id"`
		Data      json.RawMessage `json:"data"`
	}
	if !utf8.Valid(text) {
		return nil, errors.New("is no JSON: it is not valid UTF-8") // RFC 8259 §8.1
	}
	if err := decodeStrictly(text, &given, ""); err != nil {
		return nil, err
	}
	if given.Type == nil {
		return nil, &FieldError{"event_type", "is required"}
	}
	eventType, err := ParseType(*given.Type)
	if err != nil {
		return nil, &FieldError{"event_type", fmt.Sprintf("is %.64q, which is no event type", *given.Type)}
	}
	event, err := parseData(eventType, given.Data)
	if err != nil {
		return nil, err
	}
	envelope := NewEnvelope(event)
	envelope.BrokerID = given.BrokerID
	if envelope.ID, err = parseEventID(given.ID); err != nil {
		return nil, err
	}
	if envelope.Timestamp, err = parseTimestamp(given.Timestamp); err != nil {
		return nil, err
	}
	return envelope, nil
}

func parseData(eventType Type, data json.RawMessage) (Event, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, &FieldError{"data", "is required"}
	}
	event := newEvent(eventType)
	if err := decodeStrictly(data, event, "data."); err != nil {
		return nil, err
	}
	if err := event.check(); err != nil {
		return nil, err
	}
	return event, nil
}

func parseEventID(given *string) (string, error) {
	if given == nil {
		return "", nil
	}
	if !eventID.MatchString(*given) {
		return "", &FieldError{"event_id", fmt.Sprintf("must have 1 to %d characters of A-Z a-z 0-9 _ -", MaxEventIDBytes)}
	}
	return *given, nil
}

func parseTimestamp(given *string) (time.Time, error) {
	if given == nil {
		return time.Time{}, nil
	}
	timestamp, err := time.Parse(time.RFC3339Nano, *given)
	timestamp = timestamp.UTC()
	if err != nil || timestamp.Year() < 1 || timestamp.Year() > 9999 {
		return time.Time{}, &FieldError{"timestamp", fmt.Sprintf("is %.64q, not a time by RFC 3339", *given)}
	}
	return timestamp, nil
}

func decodeStrictly(text []byte, target any, prefix string) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return nameField(err, prefix)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows the event's JSON object")
	}
	return nil
}

// nameField turns an error of encoding/json into one that names the field as its sender knows it.
func nameField(err error, prefix string) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		field := strings.TrimSuffix(prefix+wrongType.Field, ".")
		if field == "" {
			return fmt.Errorf("is a JSON %.64s, not an object", wrongType.Value)
		}
		return &FieldError{field, fmt.Sprintf("can't be a JSON %.64s", wrongType.Value)}
	}
	var notBase64 base64.CorruptInputError // has no field's name, but only the payload is base64
	if errors.As(err, &notBase64) {
		return &FieldError{prefix + "payload", fmt.Sprintf("is not base64 at its byte %d", int64(notBase64))}
	}
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if name, unquoteErr := strconv.Unquote(quoted); unquoteErr == nil {
			return &FieldError{fmt.Sprintf("%s%.64s", prefix, name), "is not a field of this event"}
		}
	}
	return fmt.Errorf("is no JSON: %w", err)
}

package messages

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"time"
	"unicode/utf8"
)

// MaxEventIDBytes is the longest event_id that is taken from a sender.
const MaxEventIDBytes = 64

var eventID = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{1,%d}$`, MaxEventIDBytes))

// ParseEnvelope reads an event from the JSON form in which webhookd sends it. event_type and data are required;
// event_id, timestamp (RFC 3339) and broker_id are kept where given and left for the router to fill in where not; the
// zero time, 0001-01-01T00:00:00Z, counts as not given. Every error names a field (*FieldError) unless the text is no
// JSON object at all, and quotes at most 64 characters of it; it is io.ErrUnexpectedEOF where the text ends too early. A
// field that is unknown, or there twice, is an error, because it would be lost. What is over the bounds of an event is
// refused before any of it is unfolded.
func ParseEnvelope(text []byte) (*Envelope, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is no JSON: it is not valid UTF-8") // RFC 8259 §8.1
	}
	object, rest, _ := CutJSON(text)
	if err := checkSyntax(object); err != nil {
		return nil, err
	}
	if kind := jsonKind(object); kind != "object" {
		return nil, fmt.Errorf("is a JSON %s, not an object", kind)
	}
	if len(bytes.TrimLeft(rest, jsonSpace)) > 0 {
		return nil, errors.New("more follows the event's JSON object")
	}
	return parseObject(object)
}

// checkSyntax says what is wrong in the words of encoding/json, which finds it before it unfolds anything.
func checkSyntax(text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("is no JSON: %w", io.EOF)
	}
	if json.Valid(text) {
		return nil
	}
	err := json.Unmarshal(text, new(any))
	if err.Error() == "unexpected end of JSON input" {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("is no JSON: %w", err)
}

// identity is what an envelope holds beside its data.
type identity struct {
	Type      *string `json:"event_type"`
	ID        *string `json:"event_id"`
	Timestamp *string `json:"timestamp"`
	BrokerID  string  `json:"broker_id"`
}

var envelopeFields = []Field{
	{Name: "event_type", Kind: reflect.TypeFor[string]()},
	{Name: "event_id", Kind: reflect.TypeFor[string]()},
	{Name: "timestamp", Kind: reflect.TypeFor[string]()},
	{Name: "broker_id", Kind: reflect.TypeFor[string]()},
	{Name: "data", Kind: reflect.TypeFor[any]()},
}

func parseObject(object []byte) (*Envelope, error) {
	if err := checkObject(object, envelopeFields); err != nil {
		return nil, err
	}
	var given identity
	if err := json.Unmarshal(object, &given); err != nil {
		return nil, nameField(err, "")
	}
	if given.Type == nil {
		return nil, &FieldError{"event_type", "is required"}
	}
	eventType, err := ParseType(*given.Type)
	if err != nil {
		return nil, &FieldError{"event_type", fmt.Sprintf("is %.64q, which is no event type", *given.Type)}
	}
	event, err := parseData(eventType, dataOf(object))
	if err != nil {
		return nil, err
	}
	envelope := NewEnvelope(event)
	if envelope.BrokerID, err = parseBrokerID(given.BrokerID); err != nil {
		return nil, err
	}
	if envelope.ID, err = parseEventID(given.ID); err != nil {
		return nil, err
	}
	if envelope.Timestamp, err = parseTimestamp(given.Timestamp); err != nil {
		return nil, err
	}
	return envelope, nil
}

func dataOf(object []byte) []byte {
	for key, value := range members(object) {
		if unquote(key) == "data" {
			return value
		}
	}
	return nil
}

func parseData(eventType Type, data []byte) (Event, error) {
	if len(data) == 0 || jsonKind(data) == "null" {
		return nil, &FieldError{"data", "is required"}
	}
	if kind := jsonKind(data); kind != "object" {
		return nil, under("data", wrongKind(kind))
	}
	if err := checkObject(data, Fields(eventType)); err != nil {
		return nil, under("data", err)
	}
	event := newEvent(eventType)
	if err := json.Unmarshal(data, event); err != nil {
		return nil, nameField(err, "data.")
	}
	if err := cmp.Or(checkTexts(event, checkText), event.check()); err != nil {
		return nil, err
	}
	return event, nil
}

func parseBrokerID(given string) (string, error) {
	if err := checkText(given); err != nil {
		return "", &FieldError{"broker_id", err.Error()}
	}
	return given, nil
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

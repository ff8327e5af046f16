package messages

import (
	"fmt"
	"reflect"
)

// What an event may hold at most, whoever hands it over. A sender's event is refused for more before it is unfolded. A Go
// program's is refused for a longer text; with more user properties it is told without its payload, as one that is larger
// than max_payload_bytes.
const (
	MaxTextBytes         = 65535     // of each text: as long as a UTF-8 encoded string of MQTT can be (MQTT 5.0 §1.5.4)
	MaxUserProperties    = 1000      // of one message
	MaxUserPropertyBytes = 256 << 10 // their names and values together
)

// checkTexts finds the first text of an event that the check does not take.
func checkTexts(event Event, check func(string) error) error {
	value := reflect.ValueOf(event).Elem()
	for _, field := range fieldsOf[event.EventType()] {
		if field.Kind.Kind() != reflect.String {
			continue
		}
		if err := checkField(field.Name, value.Field(field.index).String(), check); err != nil {
			return err
		}
	}
	return nil
}

func checkLength(text string) error {
	if len(text) > MaxTextBytes {
		return tooLong(fmt.Sprint(len(text)))
	}
	return nil
}

func tooLong(length string) error {
	return fmt.Errorf("has %s bytes, and MQTT allows %d", length, MaxTextBytes)
}

package messages

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxTopicBytes is the longest topic name or topic filter, in bytes (MQTT 5.0 §1.5.4).
const MaxTopicBytes = MaxTextBytes

const sharePrefix = "$share/"

// TopicFilter is a valid MQTT topic filter, which a topic name matches or not (MQTT 5.0 §4.7). The zero value is not
// a filter and matches nothing.
type TopicFilter struct {
	text string
}

// ParseTopicFilter checks the text by MQTT 5.0 §4.7: 1 to 65,535 bytes of UTF-8 without U+0000, "+" alone in its level,
// "#" alone in the last. A shared subscription ("$share/GROUP/FILTER") is refused: it names a group of subscribers, and
// no topic is called that.
func ParseTopicFilter(text string) (TopicFilter, error) {
	if err := checkTopicText(text); err != nil {
		return TopicFilter{}, err
	}
	if strings.HasPrefix(text, sharePrefix) {
		return TopicFilter{}, errors.New(`is a shared subscription, which no topic name matches: leave "$share/GROUP/" away`)
	}
	for rest, more := text, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case strings.Contains(level, "#") && (level != "#" || more):
			// MQTT 5.0 §4.7.1.2
			return TopicFilter{}, errors.New(`has a "#" that is not the whole of its last level`)
		case strings.Contains(level, "+") && level != "+":
			// MQTT 5.0 §4.7.1.3
			return TopicFilter{}, errors.New(`has a "+" that is not the whole of its level`)
		}
	}
	return TopicFilter{text: text}, nil
}

// String is the filter as it was written.
func (f TopicFilter) String() string {
	return f.text
}

// Matches tells whether the topic name matches the filter: "+" stands for one level, "#" for any number of them, the
// level above it included (MQTT 5.0 §4.7.1), and neither for a first level that begins with "$" (§4.7.2). The topic
// name may hold wildcard characters, which then stand for themselves: so the filter of a subscription is matched.
func (f TopicFilter) Matches(topic string) bool {
	if f.text == "" || topic == "" {
		return false
	}
	if topic[0] == '$' && (f.text[0] == '+' || f.text[0] == '#') {
		return false
	}
	filter := f.text
	for {
		filterLevel, filterRest, filterMore := strings.Cut(filter, "/")
		if filterLevel == "#" {
			return true
		}
		topicLevel, topicRest, topicMore := strings.Cut(topic, "/")
		if filterLevel != "+" && filterLevel != topicLevel {
			return false
		}
		switch {
		case filterMore && topicMore:
			filter, topic = filterRest, topicRest
		case filterMore:
			return filterRest == "#"
		default:
			return !topicMore
		}
	}
}

// checkTopicName checks a topic name by MQTT 5.0 §4.7: as a filter, but without wildcards.
func checkTopicName(topic string) error {
	if err := checkTopicText(topic); err != nil {
		return err
	}
	if strings.ContainsAny(topic, "+#") {
		return errors.New("is a topic name, which holds no wildcard")
	}
	return nil
}

// checkSubscription checks the filter of a subscription, which may be a shared one (MQTT 5.0 §4.8.2).
func checkSubscription(filter string) error {
	if err := checkTopicText(filter); err != nil {
		return err
	}
	if group, ok := strings.CutPrefix(filter, sharePrefix); ok {
		group, rest, _ := strings.Cut(group, "/")
		if group == "" || strings.ContainsAny(group, "+#") || rest == "" {
			return errors.New("is no shared subscription: $share/GROUP/FILTER")
		}
		filter = rest
	}
	_, err := ParseTopicFilter(filter)
	return err
}

func checkTopicText(text string) error {
	if text == "" {
		return errors.New("is empty") // MQTT 5.0 §4.7.3
	}
	return checkText(text)
}

// checkText checks a UTF-8 encoded string of MQTT (MQTT 5.0 §1.5.4).
func checkText(text string) error {
	if err := checkLength(text); err != nil {
		return err
	}
	switch {
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	case strings.ContainsRune(text, 0):
		return errors.New("holds U+0000")
	}
	return nil
}

// unshare takes "$share/GROUP/" off a subscription's filter, so that it says which topics are meant. Where nothing
// would be left, it is no shared subscription and stays as it is: an event that has a filter never seems to have none.
func unshare(filter string) string {
	if group, ok := strings.CutPrefix(filter, sharePrefix); ok {
		if _, rest, _ := strings.Cut(group, "/"); rest != "" {
			return rest
		}
	}
	return filter
}

package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

const brokerID = "broker-1"

// eventSpec is an event that a scenario hands over.
type eventSpec struct {
	eventType messages.Type
	topic     string // of the types that have one
	padding   int    // bytes
}

func (s eventSpec) String() string {
	return fmt.Sprintf("{%v %s %dB}", s.eventType, s.topic, s.padding)
}

// event is one event that was handed over. The number in its client_id is how it is recognised.
type event struct {
	eventSpec
	number  int
	offered time.Time
	id      string // "" where the router gives it one
	size    int
	body    []byte // as the first attempt sent it
}

func (e *event) String() string { return fmt.Sprintf("event %d", e.number) }

func (e *event) typed() messages.Event {
	client := strconv.Itoa(e.number) + "-" + strings.Repeat("x", e.padding)
	switch e.eventType {
	case messages.TypeMessagePublished:
		return &messages.MessagePublished{ClientID: client, Topic: e.topic}
	case messages.TypeMessageDelivered:
		return &messages.MessageDelivered{ClientID: client, Topic: e.topic}
	case messages.TypeSubscriptionCreated:
		return &messages.SubscriptionCreated{ClientID: client, TopicFilter: e.topic}
	case messages.TypeAuthzPublishDenied:
		return &messages.AuthzPublishDenied{ClientID: client, Topic: e.topic}
	case messages.TypeAuthFailure:
		return &messages.AuthFailure{ClientID: client}
	}
	return &messages.ClientConnected{ClientID: client, Protocol: messages.ProtocolMQTT5}
}

func (e *event) envelope() *messages.Envelope {
	envelope := messages.NewEnvelope(e.typed())
	envelope.ID = e.id
	return envelope
}

// measure finds what the event counts for in a bound of bytes.
func (e *event) measure() error {
	envelope := e.envelope()
	err := envelope.Admit(messages.Admission{BrokerID: brokerID}, e.offered)
	e.size = envelope.Size()
	return err
}

// numberOf finds which event a body is about.
func numberOf(body []byte) (int, error) {
	var seen struct {
		Data struct {
			ClientID string `json:"client_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &seen); err != nil {
		return 0, err
	}
	number, _, _ := strings.Cut(seen.Data.ClientID, "-")
	return strconv.Atoi(number)
}

// checkBody compares what an attempt sends with what was handed over, and with what earlier attempts sent.
func (e *event) checkBody(envelopeID string, body []byte) error {
	if e.body != nil {
		if !bytes.Equal(e.body, body) {
			return fmt.Errorf("%s, and before %s", body, e.body)
		}
		return nil
	}
	e.body = body
	var seen struct {
		Type      string    `json:"event_type"`
		ID        string    `json:"event_id"`
		Timestamp time.Time `json:"timestamp"`
		BrokerID  string    `json:"broker_id"`
	}
	if err := json.Unmarshal(body, &seen); err != nil {
		return err
	}
	if e.id == "" {
		e.id = envelopeID
	}
	if seen.Type != e.eventType.String() || seen.ID != e.id || seen.ID != envelopeID || seen.ID == "" ||
		!seen.Timestamp.Equal(e.offered) || seen.BrokerID != brokerID {
		return fmt.Errorf("%s, of the envelope %s, for a %v handed over at %v", body, envelopeID, e.eventType, e.offered)
	}
	return nil
}

// wantedBy reads an endpoint's events and topic_filters, MQTT 5.0 §4.7.
func (e *event) wantedBy(endpoint config.Endpoint) bool {
	return e.typeIsIn(endpoint.Events) && e.topicIsIn(endpoint.TopicFilters)
}

func (e *event) typeIsIn(patterns []string) bool {
	name := e.eventType.String()
	for _, pattern := range patterns {
		if class, ok := strings.CutSuffix(pattern, "*"); name == pattern || ok && strings.HasPrefix(name, class) {
			return true
		}
	}
	return len(patterns) == 0
}

func (e *event) topicIsIn(filters []string) bool {
	if len(filters) == 0 || e.topic == "" {
		return true
	}
	topic := e.topic
	if parts := strings.SplitN(topic, "/", 3); parts[0] == "$share" && e.eventType == messages.TypeSubscriptionCreated {
		topic = parts[2]
	}
	for _, filter := range filters {
		if strings.HasPrefix(topic, "$") && strings.ContainsAny(filter[:1], "+#") {
			continue
		}
		if levelsMatch(strings.Split(filter, "/"), strings.Split(topic, "/")) {
			return true
		}
	}
	return false
}

func levelsMatch(filter, topic []string) bool {
	switch {
	case len(filter) == 0:
		return len(topic) == 0
	case filter[0] == "#":
		return true
	case len(topic) == 0:
		return false
	}
	return (filter[0] == "+" || filter[0] == topic[0]) && levelsMatch(filter[1:], topic[1:])
}

// Package messages is the vocabulary that all other packages share: the event envelope, the twelve event types, MQTT
// topic filters, and what a dead letter is.
package messages

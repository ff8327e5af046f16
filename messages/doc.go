// Package messages is the vocabulary that all other packages share: the event envelope, the twelve event types, MQTT
// topic filters, and what the outcome of an attempt is.
package messages

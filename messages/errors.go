package messages

import "errors"

// Why a router does not take an event.
var (
	ErrClosed    = errors.New("the router is closed")
	ErrQueueFull = errors.New("the queue is full") // with drop_policy newest
	// ErrUnavailable tells that events can't be kept safe at this moment.
	ErrUnavailable = errors.New("events can't be kept safe at present")
	ErrTooLarge    = errors.New("the events are larger than the whole queue") // no waiting helps
)

package messages

import "errors"

// Why a router does not take an event, or does not keep it safe.
var (
	ErrClosed    = errors.New("the router is closed")
	ErrQueueFull = errors.New("the queue is full")                          // with drop_policy newest
	ErrTooLarge  = errors.New("the events are larger than the whole queue") // no waiting helps
	// ErrUnavailable is a store's that fails.
	ErrUnavailable = errors.New("the events can't be kept safe at this moment")
)

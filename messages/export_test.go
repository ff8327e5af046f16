package messages

// NewEvent makes an empty event of a valid type.
var NewEvent = newEvent

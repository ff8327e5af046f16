package main

import "github.com/fluxmq/webhookd/cmd/webhookd/listen"

type listenCommand struct{ listen.Options }

// Run receives until a signal comes.
func (l *listenCommand) Run(c console) error {
	receiver, err := listen.New(l.Options, c.out)
	if err != nil {
		return usageError{err}
	}
	return receiver.Run(c.signals)
}

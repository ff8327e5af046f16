package main

import (
	"fmt"
	"net/http"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
)

type exportDeadLettersCommand struct {
	adminFlags
	letterChoice
}

// Run writes each dead letter as it comes. Its error says where some may be missing.
func (e *exportDeadLettersCommand) Run(c console) error {
	client, err := e.client(c)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := c.untilSignal()
	defer cancel()
	return client.stream(ctx, http.MethodPost, deadLettersPath+"/export", letterRequest{DeadLetterFilter: e.filter()}, func(line []byte) error {
		_, err := fmt.Fprintln(c.out, terminal.JSON(line))
		return err
	})
}

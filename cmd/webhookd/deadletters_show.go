package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
)

type showDeadLetterCommand struct {
	adminFlags
	ID   letterID `arg:"" help:"The dead letter's id, as list prints it."`
	JSON bool     `help:"Print it in one line."`
}

// Run prints the letter.
func (s *showDeadLetterCommand) Run(c console) error {
	client, err := s.client(c)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := c.untilSignal()
	defer cancel()
	var letter json.RawMessage
	if err := client.ask(ctx, http.MethodGet, deadLettersPath+"/"+s.ID.String(), nil, nil, &letter); err != nil {
		return err
	}
	var text bytes.Buffer
	if s.JSON {
		err = json.Compact(&text, letter)
	} else {
		err = json.Indent(&text, letter, "", "  ")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, terminal.JSON(text.Bytes()))
	return err
}

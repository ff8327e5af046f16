package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fluxmq/webhookd/store"
)

type deleteDeadLettersCommand struct {
	adminFlags
	letterChoice
	All    bool `help:"All that there are; needed where nothing else chooses."`
	DryRun bool `help:"Say how many are chosen, and delete none."`
	JSON   bool `help:"Print what was done as JSON."`
}

// Validate is called by the command line's parser.
func (d *deleteDeadLettersCommand) Validate() error {
	if d.isEmpty() && !d.All {
		return errors.New("say which dead letters to delete, by id or with a flag, or give --all")
	}
	return nil
}

// Run deletes.
func (d *deleteDeadLettersCommand) Run(c console) error {
	client, err := d.client(c)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := c.untilSignal()
	defer cancel()
	var done store.DeleteResult
	request := letterRequest{DeadLetterFilter: d.filter(), DryRun: d.DryRun}
	if err := client.ask(ctx, http.MethodPost, deadLettersPath+"/delete", nil, request, &done); err != nil {
		return err
	}
	switch {
	case d.JSON:
		return json.NewEncoder(c.out).Encode(done)
	case d.DryRun:
		_, err = fmt.Fprintf(c.out, "would be deleted: %d\n", done.Chosen)
	default:
		_, err = fmt.Fprintf(c.out, "deleted: %d\n", done.Deleted)
	}
	return err
}

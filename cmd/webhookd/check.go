package main

import (
	"errors"
	"fmt"

	"github.com/fluxmq/webhookd/cmd/webhookd/service"
	"github.com/fluxmq/webhookd/config"
)

type checkCommand struct {
	Config string `required:"" placeholder:"FILE" help:"The configuration, in YAML."`
}

// Run makes all that run would make of the configuration, and opens nothing.
func (k *checkCommand) Run(c console) error {
	cfg, notes, err := c.load(k.Config)
	if errors.Is(err, errStopped) {
		return err
	}
	if err != nil {
		return usageError{err}
	}
	if err := service.Check(cfg); err != nil {
		return unusable(k.Config, err)
	}
	effective, err := cfg.Dump()
	if err != nil {
		return err
	}
	for _, note := range notes {
		fmt.Fprintln(c.err, "note:", note)
	}
	for _, idle := range cfg.IdleReasons() {
		fmt.Fprintf(c.err, "warning: run would deliver nothing: %s\n\n%s\n\n", idle.Reason, indent(idle.Add))
	}
	_, err = c.out.Write(effective)
	return err
}

// unusable says which file is wrong, where the problems themselves do not.
func unusable(file string, err error) error {
	var problems config.Errors
	if errors.As(err, &problems) {
		return usageError{problems}
	}
	return usageError{fmt.Errorf("%s: %w", file, err)}
}

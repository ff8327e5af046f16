package main

import (
	"time"

	"github.com/fluxmq/webhookd/cmd/webhookd/demo"
)

type demoCommand struct {
	For time.Duration `help:"Stop by itself after this time, as with Ctrl-C."`
}

// Run shows the program at work until a signal comes.
func (d *demoCommand) Run(c console) error { return demo.Run(c.out, c.signals, d.For) }

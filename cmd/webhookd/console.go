package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
)

// console is where a command writes, and how it hears that it has to stop.
type console struct {
	out, err io.Writer
	signals  <-chan os.Signal
}

// untilSignal is a context that ends when the program is told to stop.
func (c console) untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-c.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// errStopped is why a command that was told to stop did not even begin.
var errStopped = errors.New("stopped before the configuration was read")

// load reads a configuration, whose errors are everything that is wrong at once; it fails with errStopped when the program
// is told to stop meanwhile: a named pipe lets its reader wait.
func (c console) load(file string) (config.Config, []string, error) {
	type loaded struct {
		cfg   config.Config
		notes []string
		err   error
	}
	done := make(chan loaded, 1)
	go func() { // ends with the program where the file never does
		cfg, notes, problems, err := config.LoadDraft(file)
		if len(problems) > 0 {
			err = router.CheckDraft(cfg, problems)
		}
		done <- loaded{cfg, notes, err}
	}()
	select {
	case l := <-done:
		return l.cfg, l.notes, l.err
	case <-c.signals:
		return config.Config{}, nil, errStopped
	}
}

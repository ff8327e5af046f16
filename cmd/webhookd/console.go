package main

import (
	"context"
	"io"
	"os"
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

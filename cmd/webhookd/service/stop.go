package service

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// A source that is told to close may take this long, or this part of shutdown_timeout where that is less: the request of
// a stranger, who sends it as slowly as he likes, must not take the time of those events that are held.
const (
	sourcesTimeout = 5 * time.Second
	sourcesPart    = 4
)

// source is a way in.
type source struct {
	name  string                      // as the log calls it
	close func(context.Context) error // has handed over the last events when it returns
}

func (d Doors) sources() []source {
	var sources []source
	if d.Ingest != nil {
		sources = append(sources, source{"ingest", d.Ingest.Close})
	}
	if d.Broker != nil {
		sources = append(sources, source{"MQTT broker", func(context.Context) error { return d.Broker.Close() }})
	}
	return sources
}

// Stop ends the sources, so that their last events are taken, drains the router, and tells what became of every event. All
// of it takes shutdown_timeout, and less where ctx ends before. A source that does not close in its part of that time is
// left behind. Its error is a *router.LostError when events were lost.
func (s *Service) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.shutdownTimeout)
	defer cancel()
	if s.Admin != nil {
		s.Admin.SetReady(false)
	}
	s.closeSources(ctx)
	err := errors.Join(s.drain(ctx), s.closeStore())
	s.summarize()
	if s.Admin != nil {
		if err := s.Admin.Close(ctx); err != nil {
			s.log.Warn("requests to the admin side were cut off", "error", err)
		}
	}
	return err
}

// StopUntil stops, and does so at once when a signal comes.
func (s *Service) StopUntil(signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(ctx) }()
	select {
	case err := <-stopped:
		return err
	case <-signals:
		cancel()
		return <-stopped
	}
}

// closeSources returns when all sources have closed, or their part of the time is over.
func (s *Service) closeSources(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(sourcesTimeout, s.shutdownTimeout/sourcesPart))
	defer cancel()
	var closing sync.WaitGroup
	for _, source := range s.sources {
		closing.Go(func() { s.closeSource(ctx, source) })
	}
	closing.Wait()
}

func (s *Service) closeSource(ctx context.Context, source source) {
	closed := make(chan error, 1)
	go func() { closed <- source.close(ctx) }() // one that hangs ends with the program, which has events to deliver first
	var err error
	select {
	case err = <-closed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.log.Warn("a source did not close as it should: the drain begins without it", "source", source.name, "error", err)
	}
}

package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// Store keeps held events and dead letters in a Keeper. It gathers what changes, and one goroutine commits it in groups:
// what ended before its group commits is never written. While the keeper fails, all that is not committed stays in memory,
// no receipt is given, and the store tries again until it heals.
//
// One router uses it. Its methods may be called from any goroutine.
type Store struct {
	keeper  Keeper
	log     *slog.Logger
	delay   time.Duration
	bounds  config.DeadLetters
	maxHeld int64

	mu      sync.Mutex
	held    map[string]*Held
	routing *entry // the event that the router routes at this moment
	number  uint64 // of the latest entry
	bytes   int64  // of all that is held
	gather  gathering
	claims  claims
	ids     letterIDs
	failing error     // a messages.ErrUnavailable; nil: the latest commit was one
	onRoom  func()    // there is room to gather again
	deleted Deletions // of dead letters, by their bounds
	latest  latestLetters
	pace    pace
	figures figures
	closing bool

	wake  chan struct{} // holds a token where there is something to commit, or to do
	ended chan struct{} // closed when the committing goroutine has ended
	quit  chan struct{} // closed to end its waiting
}

// Open makes a store of what the keeper has, which is the store's from then on. It fails where the keeper can't be read;
// the keeper is still the caller's then.
func Open(keeper Keeper, settings config.Store, letters config.DeadLetters, log *slog.Logger) (*Store, error) {
	records, err := keeper.Endpoints()
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	last, err := keeper.Last()
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s := &Store{
		number:  last.Event,
		ids:     letterIDs{last: last.Letter},
		keeper:  keeper,
		log:     log,
		delay:   settings.CommitDelay,
		bounds:  letters,
		maxHeld: int64(settings.MaxBytes),
		held:    map[string]*Held{},
		claims:  newClaims(),
		onRoom:  func() {},
		wake:    make(chan struct{}, 1),
		ended:   make(chan struct{}),
		quit:    make(chan struct{}),
	}
	for name, record := range records {
		s.held[name] = newHeld(s, name, record)
		s.bytes += record.Volume().Bytes
	}
	go s.commitGroups()
	return s, nil
}

// Endpoint is what is kept of the endpoint with this name, which may be new.
func (s *Store) Endpoint(name string) *Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[name] == nil {
		s.held[name] = newHeld(s, name, EndpointRecord{})
	}
	return s.held[name]
}

// Endpoints tells of all endpoints of which something is kept, or about to be.
func (s *Store) Endpoints() map[string]EndpointRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make(map[string]EndpointRecord, len(s.held))
	for name, held := range s.held {
		records[name] = held.present()
	}
	return records
}

// Failing is why the keeper keeps nothing at this moment, a messages.ErrUnavailable; nil where it does.
func (s *Store) Failing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing
}

// Synced has told called when all that the store was told so far is safe, or with the reason why it is not now.
func (s *Store) Synced(told func(error)) {
	s.mu.Lock()
	if s.gather.empty() && s.gather.committing == nil {
		s.mu.Unlock()
		told(nil)
		return
	}
	s.gather.waiting = append(s.gather.waiting, told)
	s.gather.urgent = true
	s.mu.Unlock()
	s.awake()
}

// sync waits until all that the store was told so far is safe. Its errors are ctx's and messages.ErrUnavailable.
func (s *Store) sync(ctx context.Context) error {
	if err := s.Failing(); err != nil {
		return err
	}
	told := make(chan error, 1)
	s.Synced(func(err error) { told <- err })
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close commits what is gathered, as far as the keeper can, and closes it. The router that used the store is closed before.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closing
	s.closing = true
	s.mu.Unlock()
	if !closed {
		close(s.quit)
	}
	<-s.ended
	if closed {
		return nil
	}
	failing := s.Failing()
	if err := s.keeper.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	if failing != nil {
		return fmt.Errorf("close the store: what was told last is not kept: %w", failing)
	}
	return nil
}

func (s *Store) awake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// figures are counted since the store was opened.
type figures struct {
	commits uint64
	failed  uint64
	written uint64 // events
	spared  uint64 // events that ended before they were written
}

// Stats is a store at one moment.
type Stats struct {
	Failing error // nil: the latest commit was one
	Commits uint64
	Failed  uint64 // commits
	Written uint64 // events
	Spared  uint64 // events that ended before they were written
	Held    int64  // bytes of all that is held
	Pending int64  // of them, those of events that are not committed
	Usage
}

// Stats reads what the store did so far.
func (s *Store) Stats() Stats {
	usage := s.keeper.Usage()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Failing: s.failing,
		Commits: s.figures.commits,
		Failed:  s.figures.failed,
		Written: s.figures.written,
		Spared:  s.figures.spared,
		Held:    s.bytes,
		Pending: s.gather.bytes,
		Usage:   usage,
	}
}

// claims are the dead letters that are on their way back, or being deleted.
type claims struct {
	ids    map[uuid.UUID]struct{}
	events map[*messages.Envelope]uuid.UUID
}

func newClaims() claims {
	return claims{map[uuid.UUID]struct{}{}, map[*messages.Envelope]uuid.UUID{}}
}

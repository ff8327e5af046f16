package store

import (
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/fluxmq/webhookd/messages"
)

const (
	firstRetry   = 50 * time.Millisecond
	longestRetry = 5 * time.Second
	// complainEvery is the time between two log lines about a keeper that fails.
	complainEvery = 10 * time.Second
	// compactEvery is how often it is looked whether most of the file is free.
	compactEvery     = 10 * time.Second
	leastCompactable = 64 << 20
)

// commitGroups commits what is gathered, until Close.
func (s *Store) commitGroups() {
	defer close(s.ended)
	compact := time.Now()
	for s.awaitGroup() {
		if round := s.nextRound(false); round != nil && !s.commit(round) {
			break
		}
		if now := time.Now(); now.Sub(compact) >= compactEvery {
			compact = now
			s.compact()
		}
	}
	if s.gather.committing != nil && !s.tryLast(s.gather.committing) {
		return
	}
	for round := s.nextRound(true); round != nil; round = s.nextRound(true) {
		if !s.tryLast(round) {
			return
		}
	}
}

// awaitGroup waits for something to commit, and then for the end of the group's time; false where the store closes.
func (s *Store) awaitGroup() bool {
	select {
	case <-s.wake:
	case <-s.quit:
		return false
	}
	for {
		wait := s.patience()
		if wait <= 0 {
			return true
		}
		timer := time.AfterFunc(wait, s.awake)
		select {
		case <-s.wake:
			timer.Stop()
		case <-s.quit:
			timer.Stop()
			return false
		}
	}
}

// patience is how long the group that is being gathered still waits.
func (s *Store) patience() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gather.urgent || s.gather.empty() {
		return 0
	}
	return time.Until(s.gather.due(s.pace.delay(s.delay)))
}

// nextRound takes what is gathered; nil where there is nothing, and with all accounts alone are something.
func (s *Store) nextRound(all bool) *round {
	s.mu.Lock()
	if s.gather.empty() && (!all || len(s.gather.touched) == 0) {
		waiting := s.gather.waiting
		s.gather.waiting, s.gather.urgent, s.gather.since = nil, false, time.Time{}
		s.mu.Unlock()
		tellAll(waiting, nil)
		return nil
	}
	defer s.mu.Unlock()
	gatheredBy := time.Now()
	if !all && !s.gather.urgent {
		gatheredBy = gatheredBy.Add(-s.pace.delay(s.delay))
	}
	round := s.take(gatheredBy)
	s.pace.judge(len(round.entries))
	if !s.gather.empty() {
		s.awake()
	}
	return round
}

// commit commits a round, as often as it takes; false where the store closes before, which then commits it first.
func (s *Store) commit(r *round) bool {
	retry := backoff.ExponentialBackOff{
		InitialInterval: firstRetry, MaxInterval: longestRetry, Multiplier: 2, RandomizationFactor: 0.1,
	}
	var complained time.Time
	for {
		err := s.tryCommit(r)
		if err == nil {
			return true
		}
		if now := time.Now(); now.Sub(complained) >= complainEvery {
			complained = now
			s.log.Error("the store keeps nothing at present: no receipt is given, deliveries go on", "error", err)
		}
		if !s.pause(retry.NextBackOff()) {
			return false
		}
		if err := s.keeper.Reopen(); err != nil {
			s.fail(r, err)
		}
	}
}

func (s *Store) pause(d time.Duration) bool {
	over := make(chan struct{})
	timer := time.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-s.quit:
		return false
	}
}

func (s *Store) tryCommit(r *round) error {
	trimmed, err := s.keeper.Commit(r.group)
	if err != nil {
		s.fail(r, err)
		return err
	}
	s.succeed(r, trimmed)
	return nil
}

// tryLast commits a round of a store that closes, once more where it has to.
func (s *Store) tryLast(r *round) bool {
	err := s.tryCommit(r)
	if err != nil && s.keeper.Reopen() == nil {
		err = s.tryCommit(r)
	}
	return err == nil
}

// fail tells all who wait that what they wait for is not safe at present.
func (s *Store) fail(r *round, cause error) {
	failing := fmt.Errorf("%w: %w", messages.ErrUnavailable, cause)
	s.mu.Lock()
	s.failing = failing
	s.figures.failed++
	told := r.waiting
	r.waiting = nil
	told = append(told, s.gather.waiting...)
	s.gather.waiting, s.gather.urgent = nil, false
	told = append(told, receiptsOf(r.entries)...)
	told = append(told, receiptsOf(s.gather.entries.Items())...)
	s.mu.Unlock()
	tellAll(told, failing)
}

// receiptsOf takes the receipts of entries.
func receiptsOf(entries []*entry) []func(error) {
	var receipts []func(error)
	for _, e := range entries {
		receipts = append(receipts, e.receipts...)
		e.receipts = nil
	}
	return receipts
}

func (s *Store) succeed(r *round, trimmed Trimmed) {
	s.mu.Lock()
	healed := s.failing != nil
	s.failing = nil
	s.figures.commits++
	s.figures.written += uint64(len(r.group.Events))
	s.deleted.MaxBytes += trimmed.MaxBytes
	s.deleted.MaxAge += trimmed.MaxAge
	s.gather.committing = nil
	s.gather.bytes -= r.bytes
	for _, e := range r.entries {
		s.settleEntry(e)
	}
	for _, id := range r.claimed {
		delete(s.claims.ids, id)
	}
	told := append(r.waiting, receiptsOf(r.entries)...)
	for _, letter := range r.letters {
		told = append(told, letter.kept)
	}
	var onRoom func()
	if s.gather.refused && s.gather.bytes <= maxGathered/2 {
		s.gather.refused, onRoom = false, s.onRoom
	}
	s.mu.Unlock()
	if healed {
		s.log.Info("the store keeps everything again")
	}
	tellAll(told, nil)
	if onRoom != nil {
		onRoom()
	}
}

// settleEntry forgets an entry that is committed: the keeper has it.
func (s *Store) settleEntry(e *entry) {
	for _, h := range e.holds {
		if h.state == committing {
			h.state = committed
			h.held.forget(h)
		}
	}
}

func tellAll(told []func(error), err error) {
	for _, tell := range told {
		tell(err)
	}
}

// compact gives room back when most of the file is free.
func (s *Store) compact() {
	usage := s.keeper.Usage()
	if usage.FileBytes < leastCompactable || usage.FreeBytes*2 < usage.FileBytes {
		return
	}
	if err := s.keeper.Compact(); err != nil {
		s.log.Warn("the store's file is mostly free, and can't be compacted", "error", err)
	}
}

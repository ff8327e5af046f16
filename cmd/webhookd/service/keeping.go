package service

import (
	"log/slog"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/bolt"
)

// openStore opens the store that the configuration asks for; nil where it asks for none.
func openStore(cfg config.Config, log *slog.Logger) (*store.Store, error) {
	if cfg.Store.Dir == "" {
		return nil, nil
	}
	keeper, err := bolt.Open(string(cfg.Store.Dir), log)
	if err != nil {
		return nil, err
	}
	kept, err := store.Open(keeper, cfg.Store, cfg.DeadLetters, log)
	if err != nil {
		_ = keeper.Close() // nothing was written
		return nil, err
	}
	return kept, nil
}

// tellOfMemory says what no store means.
func (s *Service) tellOfMemory() {
	if s.store == nil {
		s.log.Info("what is held lives in memory only: it is lost where the process ends without a stop that delivers it",
			"advice", "set store.dir")
	}
}

// tellOfAbsent says which endpoints hold events although the configuration does not have them.
func (s *Service) tellOfAbsent() {
	for name, held := range s.Router.Stats().Absent {
		s.log.Warn("the configuration lacks an endpoint that holds events: they are kept until its name is back",
			"endpoint", name, "events", held.Events, "bytes", held.Bytes)
	}
}

// closeStore writes what the store was told last.
func (s *Service) closeStore() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

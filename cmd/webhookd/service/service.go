// Package service is the program that runs: the router, its sources and the operator's side, from start to stop.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxmq/webhookd/admin"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/source/ingest"
	"github.com/fluxmq/webhookd/source/mqttbroker"
	"github.com/fluxmq/webhookd/store"
)

// Service is a running program.
type Service struct {
	Router *router.Handle
	Doors

	log             *slog.Logger
	sources         []source
	shutdownTimeout time.Duration
	store           *store.Store // nil: all is in memory
}

// Doors is what listens. What is not configured is nil.
type Doors struct {
	Broker *mqttbroker.Broker
	Ingest *ingest.Server
	Admin  *admin.Server
}

// Check makes all that Start would make of the configuration, and opens nothing.
func Check(cfg config.Config) error {
	if err := router.Check(cfg); err != nil {
		return err
	}
	_, err := newDoors(cfg, nil, slog.New(slog.DiscardHandler))
	return err
}

// newDoors makes the doors that the configuration asks for, and opens none.
func newDoors(cfg config.Config, handle *router.Handle, log *slog.Logger) (Doors, error) {
	var d Doors
	var err error
	if section := cfg.Sources.MQTTBroker; section != nil {
		if d.Broker, err = mqttbroker.New(*section, cfg.BrokerID, handle, log, mqttbroker.WithFolder(string(cfg.Store.Dir))); err != nil {
			return d, fmt.Errorf("sources.mqtt_broker: %w", err)
		}
	}
	if section := cfg.Sources.Ingest; section != nil {
		if d.Ingest, err = ingest.New(*section, cfg.Webhook.QueueSize, handle, log); err != nil {
			return d, fmt.Errorf("sources.ingest: %w", err)
		}
	}
	if section := cfg.Admin; section != nil {
		if d.Admin, err = admin.New(*section, handle, Version(), log); err != nil {
			return d, fmt.Errorf("admin: %w", err)
		}
		if d.Broker != nil {
			err = d.Admin.ShowBroker(d.Broker)
		}
	}
	return d, err
}

// Start runs everything. Nothing is left running when it fails.
func Start(cfg config.Config, log *slog.Logger) (*Service, error) {
	kept, err := openStore(cfg, log)
	if err != nil {
		return nil, err
	}
	s := &Service{log: log, shutdownTimeout: cfg.Webhook.ShutdownTimeout, store: kept}
	handle, err := router.Spawn(newActorSystem(log), cfg, router.WithLogger(log), router.WithStore(kept))
	if err != nil {
		return nil, errors.Join(err, s.closeStore())
	}
	s.Router = handle
	s.tellOfMemory()
	s.tellOfAbsent()
	if s.Doors, err = newDoors(cfg, handle, log); err == nil {
		s.sources = s.Doors.sources()
		err = s.open()
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop(context.Background()))
	}
	return s, nil
}

// open opens the operator's door first, so that an orchestrator sees the rest come up.
func (s *Service) open() error {
	if s.Admin != nil {
		if err := s.Admin.Start(); err != nil {
			return err
		}
	}
	if s.Broker != nil {
		if err := s.Broker.Start(); err != nil {
			return err
		}
	}
	if s.Ingest != nil {
		if err := s.Ingest.Start(); err != nil {
			return err
		}
	}
	if s.Admin != nil {
		s.Admin.SetReady(true)
	}
	return nil
}

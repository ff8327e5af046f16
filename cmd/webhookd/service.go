package main

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
)

// sourcesTimeout is how long the requests of an ingest may take to end before the drain begins.
const sourcesTimeout = 5 * time.Second

// service is a running program: the router, its sources, and the operator's side.
type service struct {
	log      *slog.Logger
	router   *router.Handle
	hasPlace bool // for dead letters, on a disk
	doors
}

// doors is what listens. A section that is not configured is nil.
type doors struct {
	broker *mqttbroker.Broker
	ingest *ingest.Server
	admin  *admin.Server
}

// newDoors makes the doors that the configuration asks for, and opens none.
func newDoors(cfg config.Config, handle *router.Handle, log *slog.Logger) (doors, error) {
	var d doors
	var err error
	if section := cfg.Sources.MQTTBroker; section != nil {
		if d.broker, err = mqttbroker.New(*section, cfg.BrokerID, handle, log); err != nil {
			return d, fmt.Errorf("sources.mqtt_broker: %w", err)
		}
	}
	if section := cfg.Sources.Ingest; section != nil {
		if d.ingest, err = ingest.New(*section, cfg.Webhook.QueueSize, handle, log); err != nil {
			return d, fmt.Errorf("sources.ingest: %w", err)
		}
	}
	if section := cfg.Admin; section != nil {
		if d.admin, err = admin.New(*section, handle, version(), log); err != nil {
			return d, fmt.Errorf("admin: %w", err)
		}
		if d.broker != nil {
			err = d.admin.ShowBroker(d.broker)
		}
	}
	return d, err
}

// start runs everything. Nothing is left running when it fails.
func start(cfg config.Config, log *slog.Logger) (*service, error) {
	handle, err := router.Spawn(newActorSystem(log), cfg, router.WithLogger(log))
	if err != nil {
		return nil, err
	}
	s := &service{log: log, router: handle, hasPlace: cfg.DeadLetters.Dir != ""}
	if s.doors, err = newDoors(cfg, handle, log); err == nil {
		err = s.open()
	}
	if err != nil {
		return nil, errors.Join(err, s.stop(context.Background()))
	}
	return s, nil
}

// open opens the operator's door first, so that an orchestrator sees the rest come up.
func (s *service) open() error {
	if s.admin != nil {
		if err := s.admin.Start(); err != nil {
			return err
		}
	}
	if s.broker != nil {
		if err := s.broker.Start(); err != nil {
			return err
		}
	}
	if s.ingest != nil {
		if err := s.ingest.Start(); err != nil {
			return err
		}
	}
	if s.admin != nil {
		s.admin.SetReady(true)
	}
	return nil
}

// stop ends the sources, so that their last events are taken, drains the router, and tells what became of every event.
// When ctx ends the drain does too. Its error is a *router.LostError when events were lost.
func (s *service) stop(ctx context.Context) error {
	if s.admin != nil {
		s.admin.SetReady(false)
	}
	err := errors.Join(s.stopSources(ctx), s.router.Close(ctx))
	s.summarize()
	if s.admin != nil {
		err = errors.Join(err, s.admin.Close(ctx))
	}
	return err
}

func (s *service) stopSources(ctx context.Context) error {
	var err error
	if s.ingest != nil {
		ctx, cancel := context.WithTimeout(ctx, sourcesTimeout)
		defer cancel()
		err = s.ingest.Close(ctx)
	}
	if s.broker != nil {
		err = errors.Join(err, s.broker.Close())
	}
	return err
}

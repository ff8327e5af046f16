package router

import (
	"errors"
	"reflect"
	"time"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

var errNilEvent = errors.New("the event is a nil pointer")

// newRouterActor makes the router and its endpoints, without opening anything. It tells what is wrong with all endpoints
// at once: a config.KeyError of one as config.Errors, with its place in the file.
func newRouterActor(cfg config.Config, o options) (*routerActor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	resolved := cfg.Webhook.Resolve()
	table, err := newRoutingTable(resolved)
	senders, sendersErr := newSenders(resolved, o)
	if err = errors.Join(err, sendersErr); err != nil {
		closeAll(senders)
		return nil, located(cfg, err)
	}
	a := &routerActor{
		log: o.log,
		admission: messages.Admission{
			BrokerID:        cfg.BrokerID,
			IncludePayload:  cfg.Webhook.IncludePayload,
			MaxPayloadBytes: int(cfg.Webhook.MaxPayloadBytes),
		},
		backlog: delivery.NewBacklog(delivery.Bounds{
			Events: cfg.Webhook.QueueSize,
			Bytes:  int64(cfg.Webhook.QueueBytes),
			Policy: cfg.Webhook.DropPolicy,
		}),
		table:   table,
		store:   o.store,
		matcher: newMatcher(table),
		done:    make(chan struct{}),
	}
	a.mailbox = actors.NewMailbox(a.backlog, a.admit)
	for i, endpoint := range resolved {
		a.endpoints = append(a.endpoints, actors.NewEndpoint(endpoint, senders[i], o.jitter, o.log))
	}
	a.restore(o.window)
	return a, nil
}

// newSenders makes a sender for each endpoint; beside an error it returns those that could be made.
func newSenders(endpoints []config.Endpoint, o options) ([]actors.Sender, error) {
	var senders []actors.Sender
	var errs []error
	for i, endpoint := range endpoints {
		sender, err := o.senders(endpoint)
		if err != nil {
			errs = append(errs, &endpointError{i, endpoint.Name, err})
			continue
		}
		senders = append(senders, sender)
	}
	return senders, errors.Join(errs...)
}

func closeAll(senders []actors.Sender) {
	for _, sender := range senders {
		sender.Close()
	}
}

// discard frees a router that was never spawned.
func (a *routerActor) discard() {
	for _, endpoint := range a.endpoints {
		endpoint.Discard()
	}
}

// admit makes an event that is handed over, or sent to the PID, ready for the mailbox: it gets its identity in the
// goroutine of who hands it over. One that no endpoint wants by its type and topic is turned away there, before it takes
// the place of another.
func (a *routerActor) admit(message any) (envelope *messages.Envelope, isEvent bool, err error) {
	switch message := message.(type) {
	case messages.Event:
		if reflect.ValueOf(message).IsNil() {
			return nil, true, errNilEvent
		}
		if !a.table.wants(message.EventType(), message.RoutingTopic()) {
			return nil, true, actors.ErrUnwanted
		}
		envelope = messages.NewEnvelope(message)
	case *messages.Envelope:
		if message == nil {
			return nil, true, errNilEvent
		}
		envelope = message
	default:
		return nil, false, nil
	}
	if err := envelope.Admit(a.admission, time.Now()); err != nil {
		return nil, true, err
	}
	if !a.table.wants(envelope.Type(), envelope.RoutingTopic()) {
		return nil, true, actors.ErrUnwanted
	}
	return envelope, true, nil
}

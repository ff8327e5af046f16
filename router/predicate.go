package router

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// predicate is what an endpoint asks of an event beyond its type and topic: client_ids and when.
type predicate struct {
	endpoint  string          // its name
	clientIDs []messages.Glob // of which one must match; empty: any client
	when      *expression     // nil: always
}

// newPredicate compiles the filters of an endpoint that wants events of the types. It is nil where there are none. Its
// error is a *config.KeyError, or several joined.
func newPredicate(endpoint config.Endpoint, eventTypes []messages.Type, expressions *compiler) (*predicate, error) {
	if len(endpoint.ClientIDs) == 0 && endpoint.When == "" {
		return nil, nil
	}
	p := &predicate{endpoint: endpoint.Name}
	var problems []error
	for i, text := range endpoint.ClientIDs {
		glob, err := messages.ParseGlob(text)
		if err != nil {
			problems = append(problems, &config.KeyError{Key: fmt.Sprintf("client_ids[%d]", i), Err: err})
		}
		p.clientIDs = append(p.clientIDs, glob)
	}
	if endpoint.When != "" {
		var err error
		if p.when, err = expressions.compile(endpoint.When, eventTypes); err != nil {
			problems = append(problems, &config.KeyError{Key: "when", Err: err})
		}
	}
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	return p, nil
}

// wantsClient is true for an event that is about no client, as topic filters let one pass that has no topic.
func (p *predicate) wantsClient(id string) bool {
	return len(p.clientIDs) == 0 || id == "" ||
		slices.ContainsFunc(p.clientIDs, func(glob messages.Glob) bool { return glob.Matches(id) })
}

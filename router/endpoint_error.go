package router

import (
	"errors"
	"fmt"

	"github.com/fluxmq/webhookd/config"
)

// endpointError is why an endpoint of the configuration can't be made.
type endpointError struct {
	endpoint int // its index
	name     string
	err      error
}

func (e *endpointError) Error() string { return fmt.Sprintf("endpoint %q: %v", e.name, e.err) }

func (e *endpointError) Unwrap() error { return e.err }

// located gives each config.KeyError of an endpoint the place of its key, and leaves other errors what they are.
func located(cfg config.Config, err error) error {
	var problems config.Errors
	var others []error
	for _, one := range flatten(err) {
		var ofEndpoint *endpointError
		var inKey *config.KeyError
		if errors.As(one, &ofEndpoint) && errors.As(one, &inKey) {
			problems = append(problems, cfg.EndpointProblems(ofEndpoint.endpoint, ofEndpoint.err)...)
		} else {
			others = append(others, one)
		}
	}
	switch {
	case problems == nil:
		return err
	case others == nil:
		return problems.Arranged()
	}
	return errors.Join(append(others, problems.Arranged())...)
}

// flatten are the errors that were joined, those that were joined of them too.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, flatten(one)...)
	}
	return all
}

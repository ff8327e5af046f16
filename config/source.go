package config

import (
	"errors"
	"slices"
)

// source is the file that a Config was read from, and where in it each key stands.
type source struct {
	file   string
	places map[string]place
}

// KeyError is what is wrong with the value of one key of an endpoint, found by who has to use the value.
type KeyError struct {
	Key string // below the endpoint: "tls.ca_file", "secrets[0]"
	Err error  // as the end of a sentence that begins with the key
}

// Error is the key and what is wrong with it.
func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap is what is wrong.
func (e *KeyError) Unwrap() error { return e.Err }

// EndpointProblems turns what is wrong with an endpoint's resolved values (a KeyError, or several joined) into Errors
// with the place of each key: in the endpoint, or in the defaults that it inherits from. An error that is no KeyError is
// one of the endpoint as a whole.
func (c Config) EndpointProblems(endpoint int, err error) Errors {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var problems Errors
		for _, one := range joined.Unwrap() {
			problems = append(problems, c.EndpointProblems(endpoint, one)...)
		}
		return problems
	}
	path := joinIndex("webhook.endpoints", endpoint)
	var inKey *KeyError
	if errors.As(err, &inKey) {
		path, err = c.pathOf(path, inKey.Key), inKey.Err
	}
	problem := Problem{Path: path, Message: err.Error()}
	if c.source != nil {
		at := c.source.placeNear(path)
		problem.File, problem.Line, problem.Column = c.source.file, at.line, at.column
	}
	return Errors{problem}
}

// Beside adds to the problems those of others that don't follow from one of them: about a key that is, holds or stands in
// one that is wrong already.
func (e Errors) Beside(others Errors) Errors {
	all := slices.Clone(e)
	for _, other := range others {
		if !slices.ContainsFunc(e, func(known Problem) bool { return known.touches(other.Path) }) {
			all = append(all, other)
		}
	}
	return all.Arranged()
}

func (p Problem) touches(path string) bool {
	return isWithin(p.Path, path) || isWithin(path, p.Path)
}

// isWithin tells whether the path is the other one, or below it.
func isWithin(path, above string) bool {
	for ok := true; ok; path, ok = parentPath(path) {
		if path == above {
			return true
		}
	}
	return false
}

// pathOf is where an endpoint's key is said: in defaults, where they say more of it than the endpoint does.
func (c Config) pathOf(endpoint, key string) string {
	const defaults = "webhook.defaults"
	if c.source == nil {
		return endpoint + "." + key
	}
	for said, ok := key, true; ok && said != ""; said, ok = parentPath(said) {
		if c.source.says(endpoint + "." + said) {
			break
		}
		if c.source.says(defaults + "." + said) {
			return defaults + "." + key
		}
	}
	return endpoint + "." + key
}

func (s *source) says(path string) bool {
	_, written := s.places[path]
	return written
}

// placeNear is the place of the path, or of the nearest one above that is written.
func (s *source) placeNear(path string) place {
	for ok := true; ok; path, ok = parentPath(path) {
		if at, written := s.places[path]; written {
			return at
		}
	}
	return place{1, 1}
}

package admin

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxTextBytes = 256
	maxListedIDs = 100 // which a URL has room for
)

// errEmpty is said of what is there and chooses nothing: who looked for a value and found none does not mean all.
var errEmpty = errors.New("is empty: leave it out to choose all")

// parameters are those that a list takes, each at most once.
var parameters = map[string]func(*store.DeadLetterQuery, string) error{
	"endpoint": func(q *store.DeadLetterQuery, value string) error { return setText(&q.Endpoint, value) },
	"type":     func(q *store.DeadLetterQuery, value string) error { return setType(&q.Type, value) },
	"since":    func(q *store.DeadLetterQuery, value string) error { return setTime(&q.Since, value) },
	"until":    func(q *store.DeadLetterQuery, value string) error { return setTime(&q.Until, value) },
	"error":    func(q *store.DeadLetterQuery, value string) error { return setText(&q.Error, value) },
	"ids": func(q *store.DeadLetterQuery, value string) error {
		if value == "" {
			return errEmpty
		}
		return parseIDs(&q.IDs, strings.Split(value, ","), maxListedIDs)
	},
	"after": func(q *store.DeadLetterQuery, value string) (err error) {
		if q.After, err = uuid.Parse(value); err != nil {
			err = errors.New("is no UUID")
		}
		return err
	},
	"limit": func(q *store.DeadLetterQuery, value string) error {
		limit, err := strconv.Atoi(value)
		if err != nil || limit < 1 || limit > maxLimit {
			return fmt.Errorf("must be 1 to %d", maxLimit)
		}
		q.Limit = limit
		return nil
	},
}

func parseQuery(raw string) (store.DeadLetterQuery, *refusal) {
	query := store.DeadLetterQuery{Limit: defaultLimit}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query, &refusal{status: http.StatusBadRequest, Problem: "the query can't be read"}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		set, known := parameters[name]
		switch {
		case !known:
			return query, badField(cut(name), "is no parameter: there are "+strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
		case len(given) > 1:
			return query, badField(name, "is there twice")
		}
		if err := set(&query, given[0]); err != nil {
			return query, badField(name, err.Error())
		}
	}
	return query, nil
}

func parseIDs(ids *[]uuid.UUID, texts []string, most int) error {
	if len(texts) > most {
		return fmt.Errorf("has more than %d", most)
	}
	for i, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("has no UUID at place %d", i+1)
		}
		*ids = append(*ids, id)
	}
	return nil
}

func setText(text *string, value string) error {
	switch {
	case value == "":
		return errEmpty
	case len(value) > maxTextBytes:
		return fmt.Errorf("has more than %d bytes", maxTextBytes)
	}
	*text = value
	return nil
}

func setType(text *string, value string) error {
	if value == "" {
		return errEmpty
	}
	if _, err := messages.ParseType(value); err != nil {
		return errors.New("is no event type")
	}
	*text = value
	return nil
}

func setTime(at *time.Time, value string) error {
	if value == "" {
		return errEmpty
	}
	parsed, err := time.Parse(time.RFC3339Nano, value)
	if err != nil || parsed.IsZero() { // which would be as though it were not there
		return errors.New("is no time by RFC 3339, as 2026-02-05T12:00:00Z")
	}
	*at = parsed
	return nil
}

func cut(text string) string { return fmt.Sprintf("%.64s", strings.ToValidUTF8(text, "?")) }

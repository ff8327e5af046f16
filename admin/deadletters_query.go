package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store"
)

const (
	defaultLimit  = 100
	maxLimit      = 1000
	maxIDs        = 1000
	maxTextBytes  = 256
	maxFilterBody = 64 << 10
)

var replayChoices = map[string]store.Replays{
	"false": store.OpenOnly,
	"true":  store.ReplayedOnly,
	"all":   store.OpenAndReplayed,
}

// parameters are those that a list takes, each at most once.
var parameters = map[string]func(*store.DeadLetterQuery, string) error{
	"endpoint": func(q *store.DeadLetterQuery, value string) error { return setText(&q.Endpoint, value) },
	"type":     func(q *store.DeadLetterQuery, value string) error { return setType(&q.Type, value) },
	"since":    func(q *store.DeadLetterQuery, value string) error { return setTime(&q.Since, value) },
	"until":    func(q *store.DeadLetterQuery, value string) error { return setTime(&q.Until, value) },
	"error":    func(q *store.DeadLetterQuery, value string) error { return setText(&q.Error, value) },
	"replayed": func(q *store.DeadLetterQuery, value string) (err error) {
		choice, known := replayChoices[value]
		if !known {
			err = errors.New("must be true, false or all")
		}
		q.Replayed = choice
		return err
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

func setText(text *string, value string) error {
	if len(value) > maxTextBytes {
		return fmt.Errorf("has more than %d bytes", maxTextBytes)
	}
	*text = value
	return nil
}

func setType(text *string, value string) error {
	if _, err := messages.ParseType(value); value != "" && err != nil {
		return errors.New("is no event type")
	}
	*text = value
	return nil
}

func setTime(at *time.Time, value string) error {
	parsed, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return errors.New("is no time by RFC 3339, as 2026-02-05T12:00:00Z")
	}
	*at = parsed
	return nil
}

func cut(text string) string { return fmt.Sprintf("%.64s", strings.ToValidUTF8(text, "?")) }

// readFilter reads the body of a replay: an object with the fields of store.DeadLetterFilter; {} chooses all.
func readFilter(w http.ResponseWriter, r *http.Request) (store.DeadLetterFilter, *refusal) {
	var given *store.DeadLetterFilter // null must not choose all
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return store.DeadLetterFilter{}, &refusal{status: http.StatusUnsupportedMediaType, Problem: "Content-Type must be application/json"}
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFilterBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return store.DeadLetterFilter{}, refuseBody(err)
	}
	if _, err := decoder.Token(); given == nil || !errors.Is(err, io.EOF) {
		return store.DeadLetterFilter{}, &refusal{status: http.StatusBadRequest, Problem: "the body must be one JSON object"}
	}
	return *given, checkFilter(*given)
}

func refuseBody(err error) *refusal {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, Problem: fmt.Sprintf("the body has more than %d bytes", maxFilterBody)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{status: http.StatusRequestTimeout, Problem: "the body did not arrive in time"}
	}
	return &refusal{status: http.StatusBadRequest, Problem: "the body is no filter: " + cut(err.Error())}
}

func checkFilter(filter store.DeadLetterFilter) *refusal {
	switch {
	case filter.IDs != nil && len(filter.IDs) == 0: // who looked for some and found none does not mean all
		return badField("ids", "is empty: leave it out to choose all")
	case len(filter.IDs) > maxIDs:
		return badField("ids", fmt.Sprintf("has more than %d", maxIDs))
	}
	for _, field := range []struct {
		name, value string
		check       func(*string, string) error
	}{
		{"endpoint", filter.Endpoint, setText},
		{"error", filter.Error, setText},
		{"type", filter.Type, setType},
	} {
		if err := field.check(&field.value, field.value); err != nil {
			return badField(field.name, err.Error())
		}
	}
	return nil
}

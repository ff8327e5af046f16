package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/store"
)

const (
	maxIDs        = 1000
	maxFilterBody = 64 << 10
)

// filters are those of the parameters that a replay takes too.
var filters = []string{"endpoint", "error", "since", "type", "until"}

// readFilter reads the body of a replay: an object with filters and ids, each at most once; {} chooses all.
func readFilter(w http.ResponseWriter, r *http.Request) (store.DeadLetterFilter, *refusal) {
	var query store.DeadLetterQuery
	if r.URL.RawQuery != "" {
		return query.DeadLetterFilter, &refusal{status: http.StatusBadRequest, Problem: "a replay takes its filters in the body, and no parameters"}
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return query.DeadLetterFilter, &refusal{status: http.StatusUnsupportedMediaType, Problem: "Content-Type must be application/json"}
	}
	fields, refused := readFields(json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFilterBody)))
	if refused != nil {
		return query.DeadLetterFilter, refused
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := setField(&query, name, fields[name]); err != nil {
			return query.DeadLetterFilter, badField(cut(name), err.Error())
		}
	}
	return query.DeadLetterFilter, nil
}

// readFields reads an object that is all of the body.
func readFields(body *json.Decoder) (map[string]json.RawMessage, *refusal) {
	noObject := &refusal{status: http.StatusBadRequest, Problem: "the body must be one JSON object"}
	fields := map[string]json.RawMessage{}
	token, err := body.Token()
	if err != nil {
		return nil, refuseBody(err)
	}
	if token != json.Delim('{') {
		return nil, noObject
	}
	for body.More() {
		var value json.RawMessage
		if token, err = body.Token(); err == nil {
			err = body.Decode(&value)
		}
		if err != nil {
			return nil, refuseBody(err)
		}
		name := token.(string) // the decoder lets nothing else stand before a value
		if _, twice := fields[name]; twice {
			return nil, badField(cut(name), "is there twice")
		}
		fields[name] = value
	}
	if _, err = body.Token(); err != nil {
		return nil, refuseBody(err)
	}
	if _, err = body.Token(); !errors.Is(err, io.EOF) {
		return nil, noObject
	}
	return fields, nil
}

func setField(query *store.DeadLetterQuery, name string, value json.RawMessage) error {
	var text *string
	switch {
	case name == "ids":
		return setIDs(&query.IDs, value)
	case !slices.Contains(filters, name):
		return errors.New("is no field: there are ids, " + strings.Join(filters, ", "))
	case json.Unmarshal(value, &text) != nil:
		return errors.New("must be a text")
	case text == nil:
		return errEmpty
	}
	return parameters[name](query, *text)
}

func setIDs(ids *[]uuid.UUID, value json.RawMessage) error {
	var texts []string
	if json.Unmarshal(value, &texts) != nil {
		return errors.New("must be an array of UUIDs")
	}
	switch {
	case len(texts) == 0:
		return errEmpty
	case len(texts) > maxIDs:
		return fmt.Errorf("has more than %d", maxIDs)
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

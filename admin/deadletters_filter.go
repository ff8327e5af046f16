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

const (
	minPerSecond = 0.1 // so that a replay comes to its next event while its asker waits
	maxPerSecond = 1_000_000
)

// filters are those of the parameters that choose dead letters.
var filters = []string{"endpoint", "error", "since", "type", "until"}

// letterChoice is the dead letters that a request is about, and what it says of how.
type letterChoice struct {
	store.DeadLetterFilter
	dryRun    bool
	perSecond float64
}

// readChoice reads the body of a request: an object with ids, filters and these options, each at most once; {} chooses all.
func readChoice(w http.ResponseWriter, r *http.Request, options ...string) (letterChoice, *refusal) {
	var choice letterChoice
	if r.URL.RawQuery != "" {
		return choice, &refusal{status: http.StatusBadRequest, Problem: "what chooses dead letters stands in the body, and there are no parameters"}
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return choice, &refusal{status: http.StatusUnsupportedMediaType, Problem: "Content-Type must be application/json"}
	}
	fields, refused := readFields(json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFilterBody)))
	if refused != nil {
		return choice, refused
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := choice.set(name, fields[name], options); err != nil {
			return choice, badField(cut(name), err.Error())
		}
	}
	return choice, nil
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

func (c *letterChoice) set(name string, value json.RawMessage, options []string) error {
	known := slices.Concat([]string{"ids"}, filters, options)
	switch {
	case !slices.Contains(known, name):
		return errors.New("is no field: there are " + strings.Join(known, ", "))
	case name == "ids":
		return setIDs(&c.IDs, value)
	case name == "dry_run":
		return setTruth(&c.dryRun, value)
	case name == "per_second":
		return setPerSecond(&c.perSecond, value)
	}
	var text *string
	switch err := json.Unmarshal(value, &text); {
	case err != nil:
		return errors.New("must be a text")
	case text == nil:
		return errEmpty
	}
	query := store.DeadLetterQuery{DeadLetterFilter: c.DeadLetterFilter}
	err := parameters[name](&query, *text)
	c.DeadLetterFilter = query.DeadLetterFilter
	return err
}

func setTruth(truth *bool, value json.RawMessage) error {
	var given *bool
	if json.Unmarshal(value, &given) != nil || given == nil {
		return errors.New("must be true or false")
	}
	*truth = *given
	return nil
}

func setPerSecond(perSecond *float64, value json.RawMessage) error {
	if json.Unmarshal(value, perSecond) != nil || !(*perSecond >= minPerSecond && *perSecond <= maxPerSecond) {
		return fmt.Errorf("must be a number from %v to %d", minPerSecond, maxPerSecond)
	}
	return nil
}

func setIDs(ids *[]uuid.UUID, value json.RawMessage) error {
	var texts []string
	if json.Unmarshal(value, &texts) != nil {
		return errors.New("must be an array of UUIDs")
	}
	if len(texts) == 0 {
		return errEmpty
	}
	return parseIDs(ids, texts, maxIDs)
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

package router

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/interpreter"

	"github.com/fluxmq/webhookd/messages"
)

// unknownTimeZone begins the one error that quotes without quotation marks.
const unknownTimeZone = "unknown time zone"

// maxIssueBytes is how much an error says of what CEL says.
const maxIssueBytes = 300

// explainIssue says what is wrong with an expression, and where in it.
func explainIssue(text string, issue *cel.Error, eventTypes []messages.Type) error {
	message := strings.TrimSuffix(issue.Message, " (in container '')")
	if message == "undeclared reference to 'data'" {
		message = explainData(from(text, issue.Location.Line(), issue.Location.Column()), eventTypes)
	}
	if issue.Location.Line() < 1 {
		return fmt.Errorf("is no expression that can be used: %s", oneLine(message))
	}
	return fmt.Errorf("is no valid expression at its line %d, column %d: %s",
		issue.Location.Line(), issue.Location.Column()+1, oneLine(message))
}

// from is the expression from a place on, the line counted from 1, the column in characters from 0.
func from(text string, line, column int) string {
	lines := strings.SplitAfterN(text, "\n", line)
	rest := []rune(lines[len(lines)-1])
	return string(rest[min(column, len(rest)):])
}

var dataField = regexp.MustCompile(`^data\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)`)

// explainData says what is wrong with "data", of which CEL knows the fields only.
func explainData(at string, eventTypes []messages.Type) string {
	known := fieldNames(eventTypes)
	if found := dataField.FindStringSubmatch(at); found != nil && !slices.Contains(known, found[1]) {
		return fmt.Sprintf("data.%.64s is no field of the endpoint's events, which have %s", found[1], strings.Join(known, ", "))
	}
	return "data stands before a field only, as in data." + known[0] + ", and not in has(), because every field is there"
}

// explainFailure leaves out what CEL quotes, which may be of the event.
func explainFailure(err error) error {
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) {
		return errTooCostly
	}
	text := err.Error()
	if quote := strings.IndexAny(text, ":\"`"); quote >= 0 {
		text = text[:quote]
	}
	if strings.HasPrefix(text, unknownTimeZone) {
		text = unknownTimeZone
	}
	return errors.New(oneLine(text))
}

// oneLine is the text without line breaks, and not too much of it.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxIssueBytes {
		return text
	}
	end := maxIssueBytes
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

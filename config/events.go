package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluxmq/webhookd/messages"
)

// ParseEvents reads an endpoint's events: exact types ("message.published") and whole classes ("message.*", of client,
// message, subscription, auth and authz). It returns each type once, in the order of its constants; all types where
// there is no pattern. It fails for a pattern that means no event.
func ParseEvents(patterns []string) ([]messages.Type, error) {
	if len(patterns) == 0 {
		return messages.Types(), nil
	}
	var types []messages.Type
	for i, pattern := range patterns {
		meant, err := parseEventPattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("events[%d] %w", i, err)
		}
		types = append(types, meant...)
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

func parseEventPattern(pattern string) ([]messages.Type, error) {
	var meant []messages.Type
	for _, t := range messages.Types() {
		if t.String() == pattern || eventClass(t) == pattern {
			meant = append(meant, t)
		}
	}
	if meant == nil {
		return nil, fmt.Errorf("is %s, which is no event type%s", quote(pattern), suggestion(pattern, eventPatterns()))
	}
	return meant, nil
}

// eventClass is the pattern for all types of the type's class: "message.*".
func eventClass(t messages.Type) string {
	class, _, _ := strings.Cut(t.String(), ".")
	return class + ".*"
}

func eventPatterns() []string {
	var patterns []string
	for _, t := range messages.Types() {
		patterns = append(patterns, t.String(), eventClass(t))
	}
	return patterns
}

package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxValueBytes bounds one value once its environment variables are in.
const maxValueBytes = 1 << 20

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

	errReference = errors.New(`has a "${" that begins no ${NAME} or ${NAME:-default}: write "$${" for the text "${"`)
	errTooLong   = fmt.Errorf("has over %d bytes once its environment variables are in", maxValueBytes)
)

// expandEnvironment puts environment variables into a value: ${NAME}, which must be set, and ${NAME:-default}, which
// is the default where NAME is not set or empty. "$${" is the text "${", and every other "$" stands for itself. What
// a variable holds is not expanded again. No error shows any of the value but a variable's name.
func expandEnvironment(text string) (string, error) {
	var expanded strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if literal, ok := strings.CutSuffix(before, "$"); found && ok {
			expanded.WriteString(literal + "${")
			text = after
			continue
		}
		expanded.WriteString(before)
		if !found {
			break
		}
		reference, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", errReference
		}
		value, err := lookUp(reference)
		if err != nil {
			return "", err
		}
		if expanded.Len()+len(value) > maxValueBytes {
			return "", errTooLong
		}
		expanded.WriteString(value)
		text = rest
	}
	if !utf8.ValidString(expanded.String()) {
		return "", errors.New("is not valid UTF-8 once its environment variables are in")
	}
	return expanded.String(), nil
}

// lookUp takes what stands between "${" and "}".
func lookUp(reference string) (string, error) {
	name, fallback, hasFallback := strings.Cut(reference, ":-")
	if !variableName.MatchString(name) || strings.Contains(fallback, "${") {
		return "", errReference
	}
	value, set := os.LookupEnv(name)
	if hasFallback && value == "" {
		return fallback, nil
	}
	if !set {
		return "", fmt.Errorf("needs the environment variable %s, which is not set", name)
	}
	return value, nil
}

// escapeReferences writes a value so that expandEnvironment gives it back.
func escapeReferences(value string) string {
	return strings.ReplaceAll(value, "${", "$${")
}

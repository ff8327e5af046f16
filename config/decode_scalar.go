package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// decodeScalar puts a single value into the target. An error shows the value as it is written in the file, never what
// an environment variable holds.
func (d *decoder) decodeScalar(node *yaml.Node, path string, target reflect.Value) {
	expected := expectation(target)
	if node.Kind != yaml.ScalarNode {
		d.report(path, "is %s, not %s", kindOf(node), expected)
		return
	}
	text, err := expandEnvironment(node.Value)
	if err != nil {
		d.report(path, "%v", err)
		return
	}
	if target.Type() == reflect.TypeFor[Path]() {
		text = d.resolvePath(text)
	}
	if target.Kind() == reflect.String {
		target.SetString(text)
		return
	}
	value, err := parseScalar(text, target)
	switch {
	case err != nil:
		d.report(path, "is %s, not %s", quote(node.Value), expected)
	case target.Kind() != reflect.Bool && value.IsZero():
		d.report(path, "is 0, which is too little: leave the key out for its default")
	default:
		target.Set(value.Convert(target.Type()))
	}
}

// expectation says what a value has to be, as the end of "is …, not".
func expectation(target reflect.Value) string {
	switch target.Interface().(type) {
	case time.Duration:
		return "a duration with a unit, as 5s or 1m30s"
	case ByteSize:
		return "a size, as 64MiB or a number of bytes"
	case RejectionThreshold:
		return "a whole number, 0 or more"
	case bool:
		return "true or false"
	case int:
		return "a whole number within range"
	case float64:
		return "a number"
	}
	return "a single text"
}

// parseScalar reads whole numbers and booleans in the forms that yaml.v3, and so FluxMQ, takes: 10_000, 0x10, yes.
func parseScalar(text string, target reflect.Value) (reflect.Value, error) {
	var value any
	var err error
	switch target.Interface().(type) {
	case time.Duration:
		value, err = time.ParseDuration(text)
	case ByteSize:
		value, err = ParseByteSize(text)
	case RejectionThreshold:
		value, err = parseRejectionThreshold(text)
	case bool:
		value, err = parseBool(text)
	case int:
		value, err = strconv.ParseInt(text, 0, strconv.IntSize)
	case float64:
		value, err = strconv.ParseFloat(text, 64)
	}
	return reflect.ValueOf(value), err
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "y":
		return true, nil
	case "false", "no", "off", "n":
		return false, nil
	}
	return false, errors.New("is no boolean")
}

// MaxSecretFileBytes is the largest file that a secret is read from.
const MaxSecretFileBytes = 64 << 10

// decodeSecret puts a text, or the file of {file: PATH}, into the target. No error shows any of the node's texts but
// the path: somebody may have written the secret where it does not belong.
func (d *decoder) decodeSecret(node *yaml.Node, path string, target reflect.Value) {
	var secret string
	var err error
	switch node.Kind {
	case yaml.ScalarNode:
		if !isNull(node) {
			secret, err = expandEnvironment(node.Value)
		}
	case yaml.MappingNode:
		secret, err = d.readSecretFile(node)
	default:
		err = errSecretForm
	}
	switch {
	case err != nil:
		d.report(path, "%v", err)
	case secret == "":
		d.report(path, "is empty: leave the key out, or say what it is")
	default:
		target.SetString(secret)
	}
}

var errSecretForm = errors.New("must be a text, or {file: PATH}")

func (d *decoder) readSecretFile(mapping *yaml.Node) (string, error) {
	if len(mapping.Content) != 2 || follow(mapping.Content[0]).Value != "file" {
		return "", errSecretForm
	}
	node := follow(mapping.Content[1])
	if node.Kind != yaml.ScalarNode || node.Style&yaml.TaggedStyle != 0 || isNull(node) {
		return "", errSecretForm
	}
	path, err := expandEnvironment(node.Value)
	if err != nil {
		return "", fmt.Errorf("file %w", err)
	}
	if path == "" {
		return "", errors.New("names an empty file path")
	}
	return ReadSecretFile(d.resolvePath(path))
}

// ReadSecretFile reads a regular file of up to MaxSecretFileBytes without the one newline at its end. Its error, which begins
// with "can't be read", shows nothing of what it holds.
func ReadSecretFile(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() { // reading it might never end
		return "", fmt.Errorf("can't be read: %s is no regular file", quote(path))
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("can't be read: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxSecretFileBytes+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("can't be read: %w", err)
	case len(text) > MaxSecretFileBytes:
		return "", fmt.Errorf("can't be read: %s is larger than %v", quote(path), ByteSize(MaxSecretFileBytes))
	case !utf8.Valid(text):
		return "", fmt.Errorf("can't be read: %s is not UTF-8", quote(path))
	}
	if line, ok := strings.CutSuffix(string(text), "\n"); ok {
		return strings.TrimSuffix(line, "\r"), nil
	}
	return string(text), nil
}

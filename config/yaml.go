package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// parseYAML reads the one document of a file into its nodes; nil for a file that holds none.
func parseYAML(file string, text []byte) (*yaml.Node, Errors) {
	if len(text) > MaxFileBytes {
		return nil, Errors{{File: file, Message: fmt.Sprintf("is larger than %v", ByteSize(MaxFileBytes))}}
	}
	if problem, ok := findUnprintable(file, text); ok {
		return nil, Errors{problem}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, Errors{syntaxProblem(file, text, err)}
	}
	if err = decoder.Decode(&second); err == nil {
		return nil, Errors{{File: file, Line: second.Line, Column: second.Column,
			Message: "begins a second YAML document, and a configuration is one"}}
	}
	if !errors.Is(err, io.EOF) {
		return nil, Errors{syntaxProblem(file, text, err)}
	}
	return document.Content[0], nil
}

// findUnprintable finds the first byte or character that YAML 1.2 §5.1 does not allow.
func findUnprintable(file string, text []byte) (Problem, bool) {
	line, column := 1, 1
	for position := 0; position < len(text); {
		r, size := utf8.DecodeRune(text[position:])
		message := ""
		switch {
		case r == utf8.RuneError && size == 1:
			message = "has a byte that is not UTF-8"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85,
			r == 0xfffe || r == 0xffff, r == 0xfeff && position > 0:
			message = fmt.Sprintf("has the character %U, which YAML does not allow", r)
		}
		if message != "" {
			return Problem{File: file, Line: line, Column: column, Message: message}, true
		}
		position, column = position+size, column+1
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return Problem{}, false
}

var (
	syntaxError   = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	tabComplaint  = regexp.MustCompile(`^found a tab character|^found character that cannot start any token$`)
	indentation   = regexp.MustCompile(`^[ -]*\t`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

	// parserComplaints are those of yaml.v3's errors whose line counts from 0.
	parserComplaints = []string{
		"did not find expected key", "did not find expected node content", "did not find expected '-' indicator",
		"did not find expected ',' or ']'", "did not find expected ',' or '}'", "did not find expected <document start>",
	}
)

// syntaxProblem is the error of yaml.v3 as a problem of ours. It does not show the name of an unknown anchor, which
// may be a secret that begins with "*" and should have been quoted.
func syntaxProblem(file string, text []byte, err error) Problem {
	parts := syntaxError.FindStringSubmatch(err.Error())
	if parts == nil {
		return Problem{File: file, Line: 1, Message: "is no YAML"}
	}
	line, message := 1, parts[2]
	if number, err := strconv.Atoi(parts[1]); err == nil {
		line = number
		if slices.Contains(parserComplaints, message) {
			line++
		}
	}
	if at, ok := findTab(text, line); ok && tabComplaint.MatchString(message) {
		return Problem{File: file, Line: at.line, Column: at.column, Message: "is indented with a tab, and YAML takes spaces only"}
	}
	if anchor := unknownAnchor.FindStringSubmatch(message); anchor != nil {
		before, _, _ := strings.Cut(string(text), "*"+anchor[1])
		line, message = 1+strings.Count(before, "\n"), `has a "*" with the name of no anchor: quote a text that begins with "*"`
	} else {
		message = "is no YAML: " + message
	}
	return Problem{File: file, Line: line, Message: message}
}

// findTab finds a tab in the indentation of the line in which yaml.v3 gave up, or of the one after: it may count from 0.
func findTab(text []byte, from int) (place, bool) {
	lines := strings.Split(string(text), "\n")
	for number := from; number <= min(from+1, len(lines)); number++ {
		if found := indentation.FindString(lines[number-1]); found != "" {
			return place{number, len(found)}, true
		}
	}
	return place{}, false
}

// follow returns what an alias stands for, and any other node as it is.
func follow(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}

func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors is everything that is wrong with a configuration, in the order of its file. Load, Parse and Validate return
// it as their error.
type Errors []Problem

// Problem is one thing that is wrong, and where. A Config that was not read from a file has a Path only.
type Problem struct {
	File    string // "": built by a program
	Line    int    // from 1; 0 where it is not known
	Column  int    // from 1, in characters; 0 where it is not known
	Path    string // of the key, "webhook.endpoints[1].url"; "" for the file as a whole
	Message string // as the end of a sentence that begins with the key
}

// Error has a line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// String is "file:line:column: key.path: what is wrong", without the parts that are not known.
func (p Problem) String() string {
	var text strings.Builder
	if p.File != "" {
		text.WriteString(p.File)
		for _, number := range []int{p.Line, p.Column} {
			if number > 0 {
				text.WriteString(":" + strconv.Itoa(number))
			}
		}
		text.WriteString(": ")
	}
	if p.Path != "" {
		text.WriteString(p.Path + ": ")
	}
	text.WriteString(p.Message)
	return text.String()
}

// findings gathers problems, the first for each path: a second one about the same value mostly follows from it.
type findings struct {
	problems Errors
	reported map[string]bool
}

func (f *findings) report(path, format string, arguments ...any) {
	if f.reported[path] {
		return
	}
	if f.reported == nil {
		f.reported = map[string]bool{}
	}
	f.reported[path] = true
	f.problems = append(f.problems, Problem{Path: path, Message: fmt.Sprintf(format, arguments...)})
}

// maxShownBytes is how much of a text from a file an error shows.
const maxShownBytes = 64

// quote shows a text that is no secret within an error, in one line and bounded.
func quote(text string) string {
	if len(text) <= maxShownBytes {
		return strconv.Quote(text)
	}
	end := maxShownBytes
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return strconv.Quote(text[:end]) + "…"
}

// joinKey is the path of a key below another, quoted where the key would not be one readable word. It shows of a key what is
// before a ":" or "=" in it: what follows may be a secret whose colon has no space after it.
func joinKey(path, key string) string {
	if end := strings.IndexAny(key, ":="); end >= 0 {
		key = key[:end+1] + "…"
	}
	if key == "" || len(key) > maxShownBytes || strings.ContainsFunc(key, isUnreadable) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func joinIndex(path string, index int) string {
	return path + "[" + strconv.Itoa(index) + "]"
}

// parentPath is the path of the mapping or list that holds the path; ok is false for the top.
func parentPath(path string) (parent string, ok bool) {
	if path == "" {
		return "", false
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))], true
}

func isUnreadable(r rune) bool {
	return r == utf8.RuneError || r == ' ' || !unicode.IsPrint(r)
}

package template

import "fmt"

// maxSteps bounds the rounds of all loops of a rendering together with the templates that it invokes, each of
// which may invoke itself.
const maxSteps = 10_000

// maxNesting bounds how many templates, ifs, withs and ranges of a rendering are in each other. text/template needs
// half a KiB of stack for each, and a stack that is full ends the program.
const maxNesting = 20_000

// Marks of a template that is invoked: where it begins, and where it ends. Each is a text of no bytes, known by its array.
var enterMark, leaveMark = make([]byte, 0, 1), make([]byte, 0, 1)

// output is what a template has written. It fails as soon as that is too much, which ends the rendering.
type output struct {
	text  []byte
	limit int
	steps int

	depth, maxDepth int // of templates that invoke each other
}

// boundError tells which bound a rendering would pass, after the key of its template.
type boundError struct{ text string }

func (e *boundError) Error() string { return e.text }

// Write counts a text of no bytes as a step.
func (o *output) Write(text []byte) (int, error) {
	switch {
	case isMark(text, enterMark):
		if o.depth++; o.depth > o.maxDepth {
			return 0, &boundError{fmt.Sprintf("has more than %d templates and blocks in each other", maxNesting)}
		}
	case isMark(text, leaveMark):
		o.depth--
		return 0, nil
	}
	if len(text) == 0 {
		if o.steps++; o.steps > maxSteps {
			return 0, &boundError{fmt.Sprintf("goes through more than %d rounds", maxSteps)}
		}
	}
	if len(o.text)+len(text) > o.limit {
		return 0, &boundError{fmt.Sprintf("renders to more than %d bytes", o.limit)}
	}
	o.text = append(o.text, text...)
	return len(text), nil
}

func isMark(text, mark []byte) bool {
	return len(text) == 0 && cap(text) > 0 && &text[:1][0] == &mark[:1][0]
}

package httpclient

import "fmt"

// maxTemplateSteps bounds the rounds of all loops of a rendering together with the templates that it invokes, each of
// which may invoke itself.
const maxTemplateSteps = 100_000

// output is what a template has written. It fails as soon as that is too much, which ends the rendering.
type output struct {
	text  []byte
	limit int
	steps int
}

// boundError tells which bound a rendering would pass, after the key of its template.
type boundError struct{ text string }

func (e *boundError) Error() string { return e.text }

// Write counts a text of no bytes as a step.
func (o *output) Write(text []byte) (int, error) {
	if len(text) == 0 {
		if o.steps++; o.steps > maxTemplateSteps {
			return 0, &boundError{fmt.Sprintf("goes through more than %d rounds", maxTemplateSteps)}
		}
	}
	if len(o.text)+len(text) > o.limit {
		return 0, &boundError{fmt.Sprintf("renders to more than %d bytes", o.limit)}
	}
	o.text = append(o.text, text...)
	return len(text), nil
}

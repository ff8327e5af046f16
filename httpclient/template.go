package httpclient

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/fluxmq/webhookd/config"
)

// eventTemplate is the template of one key of the configuration. Rendering it takes a bounded time and room, and gives
// the same text for the same event.
type eventTemplate struct {
	key      string
	limit    int // of what it renders to, in bytes
	template *template.Template
}

// parseTemplate compiles a template. Where escape is there, it is called with the value of each action that writes one.
func parseTemplate(key, text string, limit int, escape func(any) (string, error)) (*eventTemplate, error) {
	functions := maps.Clone(templateFunctions)
	functions[escapeFunction] = escape
	if escape == nil {
		delete(functions, escapeFunction)
	}
	parsed, err := template.New(key).Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		return nil, &config.KeyError{Key: key, Err: fmt.Errorf("is no template: %s", inPlainWords(key, err))}
	}
	for _, one := range parsed.Templates() {
		prepare(one.Root, escape != nil)
		one.Root.Nodes = slices.Insert(one.Root.Nodes, 0, stepMark())
	}
	return &eventTemplate{key: key, limit: limit, template: parsed}, nil
}

// escapeFunction has a name that parse accepts and nobody would choose.
const escapeFunction = "_escape"

// prepare marks each round of a loop, and makes every action that writes a value escape it.
func prepare(node parse.Node, escapes bool) {
	switch node := node.(type) {
	case *parse.ListNode:
		if node == nil {
			return
		}
		for _, child := range node.Nodes {
			prepare(child, escapes)
		}
	case *parse.ActionNode:
		if escapes && len(node.Pipe.Decl) == 0 {
			escape := parse.NewIdentifier(escapeFunction).SetPos(node.Pos)
			command := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: node.Pos, Args: []parse.Node{escape}}
			node.Pipe.Cmds = append(node.Pipe.Cmds, command)
		}
	case *parse.RangeNode:
		prepare(node.List, escapes)
		prepare(node.ElseList, escapes)
		node.List.Nodes = slices.Insert(node.List.Nodes, 0, stepMark())
	case *parse.IfNode:
		prepare(node.List, escapes)
		prepare(node.ElseList, escapes)
	case *parse.WithNode:
		prepare(node.List, escapes)
		prepare(node.ElseList, escapes)
	}
}

// stepMark is a text of no bytes: writing it tells the output that a loop or a template goes on.
func stepMark() parse.Node { return &parse.TextNode{NodeType: parse.NodeText} }

// render gives what the template makes of a templateEvent.
func (t *eventTemplate) render(event map[string]any) ([]byte, error) {
	output := output{limit: t.limit}
	if err := t.template.Execute(&output, event); err != nil {
		return nil, t.error(err)
	}
	return output.text, nil
}

// renderText is render for a short text.
func (t *eventTemplate) renderText(event map[string]any) (string, error) {
	text, err := t.render(event)
	return string(text), err
}

func (t *eventTemplate) error(err error) error {
	var bound *boundError
	if errors.As(err, &bound) {
		return fmt.Errorf("%s %w", t.key, bound)
	}
	return &renderError{t.key, inPlainWords(t.key, err), err}
}

// renderError is why a template can't be rendered.
type renderError struct {
	key, text string
	cause     error
}

func (e *renderError) Error() string { return e.key + " can't be rendered: " + e.text }
func (e *renderError) Unwrap() error { return e.cause }

// inPlainWords is text/template's error without the key, which the reader of the error has before his eyes already.
func inPlainWords(key string, err error) string {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "template: "+key+":"); ok {
		text = "line " + rest
	}
	return strings.Replace(text, fmt.Sprintf("executing %q at ", key), "at ", 1)
}

package template

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/fluxmq/webhookd/config"
)

// Template is the template of one key of the configuration. Rendering it takes a bounded time and room, and gives the same
// text for the same event. Any number of goroutines may do so.
type Template struct {
	key      string
	limit    int // of what it renders to, in bytes
	maxDepth int // of templates that invoke each other
	template *template.Template
}

// Parse compiles the template of a key, which may render to at most limit bytes. Where escape is not nil, it is called with
// the value of each action that writes one, and what it returns is written. It fails with a *config.KeyError.
func Parse(key, text string, limit int, escape func(any) (string, error)) (*Template, error) {
	callable := maps.Clone(functions)
	if escape != nil {
		callable[escapeFunction] = escape
	}
	parsed, err := template.New(key).Option("missingkey=error").Funcs(callable).Parse(text)
	if err != nil {
		return nil, &config.KeyError{Key: key, Err: fmt.Errorf("is no template: %s", withoutUnquoted(inPlainWords(key, err)))}
	}
	nesting := 1
	for _, one := range parsed.Templates() {
		nesting = max(nesting, 1+prepare(one.Root, escape != nil))
		one.Root.Nodes = append(slices.Insert(one.Root.Nodes, 0, mark(enterMark)), mark(leaveMark))
	}
	return &Template{key: key, limit: limit, maxDepth: max(1, maxNesting/nesting), template: parsed}, nil
}

// maxActionShown is how many characters an error shows of an action that fails.
const maxActionShown = 80

// escapeFunction has a name that parse accepts and nobody would choose.
const escapeFunction = "_escape"

// prepare marks each round of a loop, makes every action that writes a value escape it, and tells how many blocks are in
// each other.
func prepare(node parse.Node, escapes bool) (nesting int) {
	switch node := node.(type) {
	case *parse.ListNode:
		if node == nil {
			return 0
		}
		for _, child := range node.Nodes {
			nesting = max(nesting, prepare(child, escapes))
		}
	case *parse.ActionNode:
		if escapes && len(node.Pipe.Decl) == 0 {
			escape := parse.NewIdentifier(escapeFunction).SetPos(node.Pos)
			command := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: node.Pos, Args: []parse.Node{escape}}
			node.Pipe.Cmds = append(node.Pipe.Cmds, command)
		}
	case *parse.RangeNode:
		nesting = prepareBlock(&node.BranchNode, escapes)
		node.List.Nodes = slices.Insert(node.List.Nodes, 0, mark(nil))
	case *parse.IfNode:
		nesting = prepareBlock(&node.BranchNode, escapes)
	case *parse.WithNode:
		nesting = prepareBlock(&node.BranchNode, escapes)
	}
	return nesting
}

func prepareBlock(block *parse.BranchNode, escapes bool) (nesting int) {
	return 1 + max(prepare(block.List, escapes), prepare(block.ElseList, escapes))
}

// mark is a text of no bytes: writing it tells the output where a loop or a template goes on.
func mark(text []byte) parse.Node { return &parse.TextNode{NodeType: parse.NodeText, Text: text} }

// Render gives what the template makes of an Event. It fails where the template can't be executed for it or passes a bound;
// the error names the key, and shows no text of the event or the template.
func (t *Template) Render(event map[string]any) ([]byte, error) {
	output := output{limit: t.limit, maxDepth: t.maxDepth}
	if err := t.template.Execute(&output, event); err != nil {
		return nil, t.error(err)
	}
	return output.text, nil
}

// RenderText is Render for a short text.
func (t *Template) RenderText(event map[string]any) (string, error) {
	text, err := t.Render(event)
	return string(text), err
}

func (t *Template) error(err error) error {
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
	text = strings.Replace(text, fmt.Sprintf("executing %q at ", key), "at ", 1)
	return failedAction.ReplaceAllStringFunc(text, withoutLiterals)
}

// What text/template quotes of a template that fails, the texts in that, and those of them that are a function's name
// rather than a key of a service that nobody put in quotes.
var (
	failedAction = regexp.MustCompile(`(?s) at <.*>: `)
	literal      = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
	shortName    = regexp.MustCompile(`^"\$?[A-Za-z]{0,8}"$`)
)

// withoutUnquoted leaves out of an error what may be a key of a service.
func withoutUnquoted(text string) string {
	return literal.ReplaceAllStringFunc(text, func(word string) string {
		if shortName.MatchString(word) {
			return word
		}
		return `"…"`
	})
}

// withoutLiterals shows the beginning of an action without the texts in it, which may be keys of a service.
func withoutLiterals(action string) string {
	action = literal.ReplaceAllString(action, `"…"`)
	if runes := []rune(strings.TrimSuffix(action, ">: ")); len(runes) > maxActionShown {
		return string(runes[:maxActionShown]) + "…>: "
	}
	return action
}

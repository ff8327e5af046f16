package router

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"

	"github.com/fluxmq/webhookd/messages"
)

// How large an expression may be, so that about the smallest event it takes next to nothing.
const (
	maxExpressionCharacters = 4096
	maxExpressionDepth      = 50
	maxExpressionNodes      = 10_000 // after the macros are written out
)

var errTooCostly = errors.New("its evaluation takes too long")

// expression is a compiled CEL expression over one event. Any goroutine may evaluate it.
type expression struct {
	program cel.Program
}

// compiler compiles expressions. It belongs to one goroutine.
type compiler struct {
	// environments are by the event types that expressions are about. Each takes more memory than an expression, so
	// that expressions share them.
	environments map[string]*cel.Env
}

// compile checks an expression about events of the types. Its error is the end of a sentence that begins with the
// expression's key.
func (c *compiler) compile(text string, eventTypes []messages.Type) (compiled *expression, err error) {
	defer func() {
		if reason := recover(); reason != nil { // of CEL, which the text may have made panic
			err = errors.New("is no expression that can be used: it makes the compiler fail")
		}
	}()
	env, err := c.environment(eventTypes)
	if err != nil {
		return nil, fmt.Errorf("can't be compiled: %w", err)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, explainIssue(text, issues.Errors()[0], eventTypes)
	}
	if result := ast.OutputType(); !result.IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("is of type %.64s, and has to be true or false: compare it with something", result)
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), metered(ast.NativeRep()))
	if err != nil {
		return nil, fmt.Errorf("can't be evaluated: %s", oneLine(err.Error()))
	}
	return &expression{program: program}, nil
}

func (c *compiler) environment(eventTypes []messages.Type) (*cel.Env, error) {
	about := fmt.Sprint(eventTypes)
	if env, ok := c.environments[about]; ok {
		return env, nil
	}
	env, err := cel.NewEnv(append(language(), variables(eventTypes)...)...)
	if err != nil {
		return nil, err
	}
	if c.environments == nil {
		c.environments = map[string]*cel.Env{}
	}
	c.environments[about] = env
	return env, nil
}

// holds evaluates the expression, at most as far as the subject's budget goes. Its error says what went wrong without
// showing what the event holds.
func (e *expression) holds(about *subject) (bool, error) {
	about.meter.begin()
	result, _, err := e.program.Eval(about) // recovers from panics itself
	if err != nil {
		return false, explainFailure(err)
	}
	return result == types.True, nil
}

// language is CEL with its extension for strings, but for the functions that make a text much larger than what they are
// given, or that take time by the product of two texts: a payload would choose how much.
func language() []cel.EnvOption {
	text := cel.StringType
	return []cel.EnvOption{
		ext.Strings(),
		without("replace", cel.MemberOverload("string_replace_string_string", []*cel.Type{text, text, text}, text)),
		without("join", cel.MemberOverload("list_join", []*cel.Type{cel.ListType(text)}, text)),
		without("format", cel.MemberOverload("string_format", []*cel.Type{text, cel.ListType(cel.DynType)}, text)),
		without("indexOf", cel.MemberOverload("string_index_of_string", []*cel.Type{text, text}, cel.IntType)),
		without("lastIndexOf", cel.MemberOverload("string_last_index_of_string", []*cel.Type{text, text}, cel.IntType)),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpressionCharacters),
		cel.ParserRecursionLimit(maxExpressionDepth),
		cel.ExpressionNodeLimit(maxExpressionNodes),
		cel.ASTValidators(fixedRegexes{}, cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()),
	}
}

// without takes a function away, of which CEL wants to be shown one overload.
func without(function string, overload cel.FunctionOpt) cel.EnvOption {
	return cel.Function(function, overload, cel.DisableDeclaration(true))
}

package router

import (
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/overloads"
)

// maxRegexInstructions bounds the program of a regular expression: its time grows with the product of that and the text.
const maxRegexInstructions = 100

// fixedRegexes checks that each regular expression stands in the expression itself, is valid, and is not too large. It
// implements cel.ASTValidator. The limit that CEL has itself panics over a counted repetition, in v0.31.0 at least.
type fixedRegexes struct{}

// Name implements cel.ASTValidator.
func (fixedRegexes) Name() string { return "webhookd.fixed_regexes" }

// Validate implements cel.ASTValidator.
func (fixedRegexes) Validate(_ *cel.Env, _ cel.ValidatorConfig, checked *ast.AST, issues *cel.Issues) {
	for _, call := range ast.MatchDescendants(ast.NavigateAST(checked), ast.FunctionMatcher(overloads.Matches)) {
		arguments := call.AsCall().Args() // the regular expression is the last, in matches(TEXT, REGEX) too
		regex := arguments[len(arguments)-1]
		if problem := regexProblem(regex); problem != "" {
			issues.ReportErrorAtID(regex.ID(), "%s", problem)
		}
	}
}

func regexProblem(regex ast.Expr) string {
	if regex.Kind() != ast.LiteralKind {
		return "a regular expression has to be a text in quotation marks"
	}
	text, _ := regex.AsLiteral().Value().(string)
	program, err := compileRegex(text)
	if err != nil {
		return err.Error()
	}
	if len(program.Inst) > maxRegexInstructions {
		return "the regular expression is too large: repeat less, or use startsWith, endsWith and contains"
	}
	return ""
}

// compileRegex is what regexp makes of the text.
func compileRegex(text string) (*syntax.Prog, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return syntax.Compile(parsed.Simplify())
}

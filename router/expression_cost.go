package router

import (
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
)

// What steps of an expression may take, measured on a slow core.
const (
	loopStep      = 50 * time.Nanosecond  // each step in a loop, at each turn
	madeList      = 250 * time.Nanosecond // or map, in a loop, at each turn
	comparedValue = 150 * time.Nanosecond // each that a list or a map holds
	madeProperty  = 50 * time.Nanosecond  // each user property
	falseStart    = 20 * time.Nanosecond  // where a text begins as what is searched for, and goes on otherwise
	zoneLookup    = 80 * time.Microsecond // of a time zone, in files
)

// perByte is what going through one byte of a text may take, in nanoseconds.
type perByte float64

const (
	comparing   perByte = 0.3
	searching   perByte = 0.35
	copying     perByte = 1
	decoding    perByte = 2
	making      perByte = 60 // lowerAscii, split, strings.quote …
	instruction perByte = 10 // each of a regular expression
)

func (b perByte) of(bytes int) time.Duration {
	return time.Duration(float64(b) * float64(bytes))
}

// rate is what a function takes for one of its arguments.
type rate struct {
	once   time.Duration
	bytes  perByte
	values bool // whether it looks at what a list or a map holds
}

// costs are what evaluating an expression takes beside what it takes about the smallest event, and what there is to save
// of that, by the steps of its syntax tree.
type costs struct {
	turns        map[int64]time.Duration  // by the step that a loop repeats
	arguments    map[int64]rate           // by the argument
	payloadTexts map[int64]bool           // calls that are string(data.payload)
	zones        map[int64]*time.Location // calls that name their time zone in quotation marks
}

func reckonCosts(checked *ast.AST) costs {
	c := costs{map[int64]time.Duration{}, map[int64]rate{}, map[int64]bool{}, map[int64]*time.Location{}}
	for _, step := range ast.MatchDescendants(ast.NavigateAST(checked), ast.AllMatcher()) {
		if loop := innermostLoop(step); loop != nil {
			c.turns[loop.LoopStep().ID()] += costOfTurn(step)
		}
		if step.Kind() == ast.CallKind {
			c.addCall(checked, step.ID(), step.AsCall())
		}
	}
	return c
}

func costOfTurn(step ast.Expr) time.Duration {
	if step.Kind() == ast.ListKind || step.Kind() == ast.MapKind {
		return madeList
	}
	return loopStep
}

// innermostLoop is the loop that repeats the step, or nil.
func innermostLoop(step ast.NavigableExpr) ast.ComprehensionExpr {
	for parent, ok := step.Parent(); ok; parent, ok = step.Parent() {
		if parent.Kind() == ast.ComprehensionKind {
			loop := parent.AsComprehension()
			if id := step.ID(); id == loop.LoopStep().ID() || id == loop.LoopCondition().ID() {
				return loop
			}
		}
		step = parent
	}
	return nil
}

func (c costs) addCall(checked *ast.AST, id int64, call ast.CallExpr) {
	arguments := call.Args()
	if call.IsMemberFunction() {
		arguments = slices.Insert(slices.Clone(arguments), 0, call.Target())
	}
	if isPayloadText(checked, call.FunctionName(), arguments) {
		c.payloadTexts[id] = true
		return
	}
	if isInZone(call.FunctionName(), arguments) {
		c.addZone(id, arguments[1])
		return
	}
	for i, argument := range arguments {
		argumentType := checked.GetType(argument.ID())
		if isFixed(argument) || !holdsTexts(argumentType) {
			continue
		}
		if cost := rateOf(call.FunctionName(), i, argumentType, arguments[len(arguments)-1]); cost != (rate{}) {
			c.arguments[argument.ID()] = cost
		}
	}
}

func isPayloadText(checked *ast.AST, function string, arguments []ast.Expr) bool {
	if function != overloads.TypeConvertString {
		return false
	}
	named, ok := checked.ReferenceMap()[arguments[0].ID()]
	return ok && named.Name == dataPrefix+"payload"
}

// isInZone tells whether the call is one of a timestamp's, as getHours, with a time zone.
func isInZone(function string, arguments []ast.Expr) bool {
	return strings.HasPrefix(function, "get") && len(arguments) == 2
}

// addZone looks a time zone up that is the same for every event. "+01:00" is none that would have to be looked up.
func (c costs) addZone(call int64, zone ast.Expr) {
	if zone.Kind() == ast.LiteralKind {
		name, _ := zone.AsLiteral().Value().(string)
		if strings.Contains(name, ":") {
			return
		}
		if location, err := time.LoadLocation(name); err == nil {
			c.zones[call] = location
			return
		}
	}
	c.arguments[zone.ID()] = rate{once: zoneLookup}
}

// isFixed tells whether the expression alone says how large the argument is.
func isFixed(argument ast.Expr) bool {
	return argument.Kind() == ast.LiteralKind ||
		argument.Kind() == ast.ListKind && !slices.ContainsFunc(argument.AsList().Elements(), func(element ast.Expr) bool {
			return element.Kind() != ast.LiteralKind
		})
}

// holdsTexts tells whether a value of the type takes more than a few bytes.
func holdsTexts(t *types.Type) bool {
	switch t.Kind() {
	case types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.DurationKind, types.TimestampKind,
		types.NullTypeKind, types.TypeKind:
		return false
	}
	return true
}

// rateOf is what the function takes for its argument at i. Its last argument is what it looks for, where it looks for
// something.
func rateOf(function string, i int, argument *types.Type, last ast.Expr) rate {
	switch function {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse, operators.Conditional,
		overloads.TypeConvertDyn, overloads.TypeConvertType:
		return rate{} // they pass values on
	case overloads.Contains:
		return rate{} // search charges for itself
	case operators.Equals, operators.NotEquals, operators.In:
		return rate{bytes: comparing, values: true}
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return rate{bytes: comparing}
	case operators.Add:
		return rate{bytes: copying}
	case overloads.Size:
		if argument.Kind() == types.BytesKind {
			return rate{}
		}
		return rate{bytes: decoding}
	case overloads.TypeConvertString, overloads.TypeConvertBytes:
		return rate{bytes: decoding}
	case operators.Index, overloads.StartsWith, overloads.EndsWith:
		if i == 0 {
			return rate{}
		}
		return rate{bytes: comparing}
	case overloads.Matches:
		return rate{bytes: matchOf(last)}
	}
	return rate{bytes: making}
}

// matchOf is what going through a text takes a regular expression, one that fixedRegexes has checked.
func matchOf(regex ast.Expr) perByte {
	text, _ := regex.AsLiteral().Value().(string)
	program, err := compileRegex(text)
	if err != nil {
		return maxRegexInstructions * instruction
	}
	return perByte(len(program.Inst)) * instruction
}

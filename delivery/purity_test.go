package delivery

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const ours = "github.com/fluxmq/webhookd/"

// pure are the packages that the rules may import, and what they may use of each; nil is all that is no function of ours.
var pure = map[string][]string{
	ours + "config":   nil,
	ours + "messages": nil,
	"cmp":             nil,
	"container/heap":  nil,
	"math":            nil,
	"slices":          nil,
	"sync":            {"Mutex"},
	"time":            {"Time", "Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"},
}

func TestRulesKnowNoOtherRoomNoClockAndNoGoroutine(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, entry := range entries {
		switch name := entry.Name(); {
		case name == "testdata" || strings.HasSuffix(name, "_test.go"):
		case !strings.HasSuffix(name, ".go"):
			t.Errorf("%s is no Go file", name)
		default:
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Empty(t, impurities(t, name, string(text)))
		}
	}
}

func TestWhatIsImpureIsFound(t *testing.T) {
	for text, impurity := range map[string]string{
		`import "net/http"`: "imports net/http",
		`import "os"`:       "imports os",
		`import "context"`:  "imports context",
		`import "github.com/fluxmq/webhookd/actors"`:         "imports github.com/fluxmq/webhookd/actors",
		`import "github.com/fluxmq/webhookd/delivery/clock"`: "imports github.com/fluxmq/webhookd/delivery/clock",
		`import t "time"`:                                          "imports time by another name",
		`import . "time"`:                                          "imports time by another name",
		`import "time"; var now = time.Now()`:                      "uses time.Now",
		`import "time"; var now = time.Now`:                        "uses time.Now",
		`import "time"; func f(d time.Duration) { time.Sleep(d) }`: "uses time.Sleep",
		`import "time"; var timer *time.Timer`:                     "uses time.Timer",
		`import "sync"; var group sync.WaitGroup`:                  "uses sync.WaitGroup",
		`import "github.com/fluxmq/webhookd/config"; var c, err = config.Load("file.yaml")`: "calls config.Load",
		`func f() { go f() }`:                "starts a goroutine",
		`var ended chan struct{}`:            "uses a channel",
		`func f() { select {} }`:             "uses a channel",
		`func f[C ~<-chan int](c C) { <-c }`: "uses a channel",
	} {
		require.Contains(t, impurities(t, text, "package p; "+text), impurity, text)
	}
}

// impurities is what a file has that the rules must not have.
func impurities(t *testing.T, name, text string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	require.NoError(t, err)
	var found []string
	imported := map[string]string{}
	for _, spec := range file.Imports {
		imports, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		imported[path.Base(imports)] = imports
		if _, allowed := pure[imports]; !allowed {
			found = append(found, "imports "+imports)
		}
		if spec.Name != nil {
			found = append(found, "imports "+imports+" by another name")
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, "starts a goroutine")
		case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
			found = append(found, "uses a channel")
		case *ast.UnaryExpr:
			if node.Op == token.ARROW {
				found = append(found, "uses a channel")
			}
		case *ast.CallExpr:
			if from, used := qualified(node.Fun, imported); strings.HasPrefix(from, ours) {
				found = append(found, "calls "+used)
			}
		case *ast.SelectorExpr:
			from, used := qualified(node, imported)
			if allowed := pure[from]; allowed != nil && !slices.Contains(allowed, node.Sel.Name) {
				found = append(found, "uses "+used)
			}
		}
		return true
	})
	return found
}

// qualified is what an expression uses of which imported package; "" where it uses none.
func qualified(expression ast.Expr, imported map[string]string) (from, used string) {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	if name, ok := selector.X.(*ast.Ident); ok && imported[name.Name] != "" {
		return imported[name.Name], name.Name + "." + selector.Sel.Name
	}
	return "", ""
}

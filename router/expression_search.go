package router

import (
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// quickNeedle is up to how many bytes strings.Index looks for at once, whatever the text is.
const quickNeedle = 8

// search is TEXT.contains(NEEDLE). It takes, and costs, as much as the text makes it take: strings.Contains by itself takes
// ten times as long for some texts as for others of the same length.
type search struct {
	interpreter.InterpretableCall
}

// Exec implements interpreter.InterpretableV2.
func (s search) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	arguments := s.Args()
	text := arguments[0].Exec(frame)
	if _, ok := text.(types.String); !ok {
		return types.MaybeNoSuchOverloadErr(text)
	}
	needle := arguments[1].Exec(frame)
	if _, ok := needle.(types.String); !ok {
		return types.MaybeNoSuchOverloadErr(needle)
	}
	return types.Bool(contains(&subjectIn(frame).meter, string(text.(types.String)), string(needle.(types.String))))
}

// Eval implements interpreter.Interpretable.
func (s search) Eval(vars interpreter.Activation) ref.Val {
	return s.Exec(interpreter.AsFrame(vars))
}

func contains(meter *meter, text, needle string) bool {
	meter.charge(searching.of(len(text)))
	beginning := needle[:min(len(needle), quickNeedle)]
	for {
		at := strings.Index(text, beginning)
		if at < 0 || strings.HasPrefix(text[at:], needle) {
			return at >= 0
		}
		meter.charge(falseStart)
		text = text[at+1:]
	}
}

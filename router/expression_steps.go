package router

import (
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// subjectName is how a step finds the event's subject among the variables. No expression can say it.
const subjectName = "#subject"

func subjectIn(frame *interpreter.ExecutionFrame) *subject {
	found, _ := frame.ResolveName(subjectName)
	return found.(*subject)
}

// metered replaces the steps of an expression that cost something, or that all expressions can share.
func metered(checked *ast.AST) cel.ProgramOption {
	costs := reckonCosts(checked)
	return cel.CustomDecoratorV2(func(step interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		if call, ok := step.(interpreter.InterpretableCall); ok {
			step = costs.cheaper(call)
		}
		if cost, ok := costs.arguments[step.ID()]; ok {
			step = chargeFor(step, cost)
		}
		if cost, ok := costs.turns[step.ID()]; ok {
			step = &chargedTurn{InterpretableV2: step, cost: cost}
		}
		return step, nil
	})
}

// chargedTurn is what a loop repeats. It costs the same at each turn.
type chargedTurn struct {
	interpreter.InterpretableV2
	cost time.Duration
}

// Exec implements interpreter.InterpretableV2.
func (t *chargedTurn) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	subjectIn(frame).meter.charge(t.cost)
	return t.InterpretableV2.Exec(frame)
}

// Eval implements interpreter.Interpretable.
func (t *chargedTurn) Eval(vars interpreter.Activation) ref.Val {
	return t.Exec(interpreter.AsFrame(vars))
}

// chargedArgument is an argument for which the function that is called next is charged.
type chargedArgument struct {
	interpreter.InterpretableV2
	rate rate
}

// chargedAttribute is one that CEL goes on to take a part of, as of a list that a function gives.
type chargedAttribute struct {
	interpreter.InterpretableAttribute
	rate rate
}

func chargeFor(argument interpreter.InterpretableV2, rate rate) interpreter.InterpretableV2 {
	attribute, ok := argument.(interpreter.InterpretableAttribute)
	if !ok {
		return &chargedArgument{argument, rate}
	}
	if _, isVariable := attribute.Attr().(interpreter.NamespacedAttribute); isVariable {
		return &chargedArgument{argument, rate}
	}
	return &chargedAttribute{attribute, rate}
}

// Exec implements interpreter.InterpretableV2.
func (a *chargedArgument) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return a.rate.chargeArgument(frame, a.InterpretableV2.Exec(frame))
}

// Eval implements interpreter.Interpretable.
func (a *chargedArgument) Eval(vars interpreter.Activation) ref.Val {
	return a.Exec(interpreter.AsFrame(vars))
}

// Exec implements interpreter.InterpretableV2.
func (a *chargedAttribute) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return a.rate.chargeArgument(frame, a.InterpretableAttribute.Exec(frame))
}

// Eval implements interpreter.Interpretable.
func (a *chargedAttribute) Eval(vars interpreter.Activation) ref.Val {
	return a.Exec(interpreter.AsFrame(vars))
}

func (r rate) chargeArgument(frame *interpreter.ExecutionFrame, value ref.Val) ref.Val {
	meter := &subjectIn(frame).meter
	meter.charge(r.once)
	r.charge(meter, value)
	return value
}

// charge charges for the texts in the value. It takes no longer than what it charges for.
func (r rate) charge(meter *meter, value ref.Val) {
	switch value := value.(type) {
	case types.String:
		meter.charge(r.bytes.of(len(value)))
	case types.Bytes:
		meter.charge(r.bytes.of(len(value)))
	case traits.Lister:
		for i := types.Int(0); r.values && i < value.Size().(types.Int); i++ {
			meter.charge(comparedValue)
			r.charge(meter, value.Get(i))
		}
	case traits.Mapper:
		for keys := value.Iterator(); r.values && keys.HasNext() == types.True; {
			key := keys.Next()
			meter.charge(comparedValue)
			r.charge(meter, key)
			r.charge(meter, value.Get(key))
		}
	}
}

// cheaper is the call, or a step that comes to the same result for less.
func (c costs) cheaper(call interpreter.InterpretableCall) interpreter.InterpretableV2 {
	if c.payloadTexts[call.ID()] {
		return payloadText{call}
	}
	if zone, ok := c.zones[call.ID()]; ok {
		return inZone(call, zone)
	}
	if call.Function() == overloads.Contains {
		return search{call}
	}
	return call
}

// payloadText is string(data.payload), made once for all expressions.
type payloadText struct {
	interpreter.InterpretableV2
}

// Exec implements interpreter.InterpretableV2.
func (payloadText) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return subjectIn(frame).payloadText()
}

// Eval implements interpreter.Interpretable.
func (p payloadText) Eval(vars interpreter.Activation) ref.Val {
	return p.Exec(interpreter.AsFrame(vars))
}

// inZone is a call of a timestamp's function in a time zone that was looked up.
func inZone(call interpreter.InterpretableCall, zone *time.Location) interpreter.InterpretableV2 {
	inIt := func(arguments ...ref.Val) ref.Val {
		timestamp, ok := arguments[0].(types.Timestamp)
		if !ok {
			return types.MaybeNoSuchOverloadErr(arguments[0])
		}
		return types.Timestamp{Time: timestamp.In(zone)}.Receive(call.Function(), "", nil)
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), inIt)
}

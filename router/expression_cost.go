package router

import (
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// textCosts charges every function by the length of its texts. CEL by itself reckons size, and the extension for strings,
// as one step, and contains as the product of its texts, which it is not. It implements interpreter.ActualCostEstimator.
type textCosts struct{}

const (
	// freeText is how long the texts of a call may be together, in bytes, before they cost more than CEL's one step.
	freeText = 16
	// regexFactor is by how much going through a text takes longer for a regular expression.
	regexFactor = 4
)

// CallCost implements interpreter.ActualCostEstimator. nil leaves the cost to CEL.
func (textCosts) CallCost(function, _ string, arguments []ref.Val, result ref.Val) *uint64 {
	length := textLength(result)
	for _, argument := range arguments {
		length += textLength(argument)
	}
	if length <= freeText {
		return nil
	}
	cost := common.StringTraversalCostFactor * float64(length)
	if function == overloads.Matches {
		cost *= regexFactor
	}
	return new(1 + uint64(cost))
}

func textLength(value ref.Val) int {
	switch text := value.(type) {
	case types.String:
		return len(text)
	case types.Bytes:
		return len(text)
	}
	return 0
}

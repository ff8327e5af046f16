package router

import (
	"time"

	"github.com/google/cel-go/interpreter"
)

// What the expressions of all endpoints may take up for one event. The time is reckoned, not clocked: an event meets the
// same verdict however busy the machine is.
const (
	eventBudget      = 20 * time.Millisecond
	sharedBudget     = 5 * time.Millisecond // of the event's, for each thing that is made once for all
	expressionBudget = time.Millisecond
	leastBudget      = 10 * time.Microsecond // an expression's, however many share the event's
)

// meter counts what the expressions about one event take up. Each may take an equal share of what those before it left,
// so that none makes another's share smaller.
type meter struct {
	event      time.Duration // left for all expressions
	expression time.Duration // left for the one that is evaluated
	waiting    int           // expressions that were not evaluated yet
}

func newMeter(expressions int) meter {
	return meter{event: eventBudget, waiting: expressions}
}

// begin gives the next expression its budget.
func (m *meter) begin() {
	share := m.event / time.Duration(max(1, m.waiting))
	m.expression = min(max(share, leastBudget), expressionBudget)
	m.waiting--
}

// charge takes the cost of a step before the step is made.
func (m *meter) charge(cost time.Duration) {
	if cost > m.expression {
		cancel()
	}
	m.expression -= cost
	m.event -= cost
}

// chargeEvent takes the cost of what is made once for all expressions, before it is made.
func (m *meter) chargeEvent(cost time.Duration) {
	if cost > sharedBudget {
		cancel()
	}
	m.event -= cost
}

// cancel ends the evaluation, as a limit of CEL's own does: an error could be left out by "||".
func cancel() {
	panic(interpreter.EvalCancelledError{Cause: interpreter.CostLimitExceeded, Message: errTooCostly.Error()})
}

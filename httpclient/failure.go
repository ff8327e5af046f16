package httpclient

import (
	"errors"
	"fmt"

	"github.com/fluxmq/webhookd/httpclient/network"
	"github.com/fluxmq/webhookd/messages"
)

// failure says what it means that err came instead of an answer. callerErr is the error of the caller's context.
func failure(err, callerErr error) messages.Outcome {
	var failed *network.Error
	errors.As(err, &failed) // a network's transport has no other errors
	outcome := messages.Outcome{Kind: kindOfStage[failed.Stage], Err: failed.Err, Sent: failed.Stage >= network.StageUntaken}
	var denied *network.DeniedError
	switch {
	case callerErr != nil:
		outcome.Kind, outcome.Err = messages.OutcomeFailed, fmt.Errorf("the attempt was cut short: %w", callerErr)
	case errors.As(err, &denied):
		outcome.Kind = messages.OutcomeRejected
	case isShortage(err):
		outcome.Kind = messages.OutcomeLocal
	}
	return outcome
}

func isShortage(err error) bool { return errors.As(err, new(*network.ShortageError)) }

var kindOfStage = [...]messages.OutcomeKind{
	network.StageUnsendable:  messages.OutcomeRejected,
	network.StageUnconnected: messages.OutcomeAway,
	network.StageUnprocessed: messages.OutcomeNotProcessed,
	network.StageUntaken:     messages.OutcomeAway,
	network.StageSent:        messages.OutcomeFailed,
}

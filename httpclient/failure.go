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
	sent := failed.Stage == network.StageSent
	var denied *network.DeniedError
	switch {
	case callerErr != nil:
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: fmt.Errorf("the attempt was cut short: %w", callerErr), Sent: sent}
	case errors.As(err, &denied), failed.Stage == network.StageUnsendable:
		return messages.Outcome{Kind: messages.OutcomeRejected, Err: failed.Err}
	case sent:
		return messages.Outcome{Kind: messages.OutcomeFailed, Err: failed.Err, Sent: true}
	}
	return messages.Outcome{Kind: messages.OutcomeAway, Err: failed.Err}
}

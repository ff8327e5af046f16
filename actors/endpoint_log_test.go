package actors

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

func TestFailureOfEachKindIsToldOnceInTenSeconds(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	var complaints complaints
	at := time.Unix(1, 0)
	for range 3 {
		for _, kind := range messages.OutcomeKinds() {
			if kind != messages.OutcomeDelivered {
				ended := &attemptEnded{outcome: messages.Outcome{Kind: kind, Err: errors.New("for a reason"), Answer: "busy", Status: 400}}
				complaints.attemptFailed(at, log, ended, delivery.Verdict{})
			}
		}
		at = at.Add(6 * time.Second)
	}

	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	require.Len(t, lines, 2*(len(messages.OutcomeKinds())-1))
	for i, line := range lines {
		require.Contains(t, line, "answer=busy")
		require.Contains(t, line, "advice=")
		require.Equal(t, i >= len(lines)/2, strings.Contains(line, "left_out=1"))
	}
}

func TestAnswerThatSaysNothingIsNotTold(t *testing.T) {
	var text bytes.Buffer
	ended := &attemptEnded{outcome: messages.Outcome{Kind: messages.OutcomeAway, Err: errors.New("refused")}}

	new(complaints).attemptFailed(time.Unix(1, 0), slog.New(slog.NewTextHandler(&text, nil)), ended, delivery.Verdict{})

	require.NotContains(t, text.String(), "answer=")
}

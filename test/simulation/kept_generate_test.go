package simulation

import (
	"time"

	"pgregory.net/rapid"

	"github.com/fluxmq/webhookd/config"
)

// keptScenarios generates scenarios of a router with a store. Simple ones come first, as in scenarios.
func keptScenarios() *rapid.Generator[keptScenario] {
	return rapid.Custom(func(t *rapid.T) keptScenario {
		s := keptScenario{
			webhook:  drawWebhook(t, false),
			jitter:   rapid.Uint64Range(0, jitters-1).Draw(t, "jitter"),
			delay:    one(t, ms(10, 0, 1, 100, 1000)...),
			maxBytes: one[config.ByteSize](t, 0, 0, 0, 100<<10),
			window:   one[int64](t, 32<<10, 1, 2000, 5000, 10_000),
			takes:    one(t, ms(0, 0, 1, 50, 500)...),
			late:     one(t, ms(0, 0, 1, 50, 3000)...),
		}
		s.webhook.QueueSize = max(s.webhook.QueueSize, one(t, 10_000, 0))
		for i := range s.webhook.Endpoints {
			if chance(t, 3) {
				s.webhook.Endpoints[i].QueueSize = config.MinQueueSize
			}
			s.receivers = append(s.receivers, drawBehaviour(t))
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			s.steps = append(s.steps, keptStep{drawAfter(t), drawKeptAction(t, len(s.receivers))})
		}
		return s
	})
}

func drawAfter(t *rapid.T) time.Duration {
	return one(t, ms(0, 0, 1, 5, 11, 100, 1000, 2000, 15_000)...)
}

func drawKeptAction(t *rapid.T, receivers int) keptAction {
	switch one(t, "few", "few", "few", "few", "burst", "burst", "turn", "turn", "trickle", "replay", "replay", "crash", "crash", "crash", "cutting", "cutting", "failing", "failing", "damaging", "stopping") {
	case "burst":
		return drawHanding(t, rapid.IntRange(20, 200).Draw(t, "events"))
	case "turn":
		return keptTurn{rapid.IntRange(0, receivers-1).Draw(t, "receiver"), drawBehaviour(t)}
	case "trickle":
		return keptTrickle{rapid.IntRange(5, 40).Draw(t, "events"), one(t, ms(1, 10, 100, 1000)...), drawEvent(t, 0)}
	case "replay":
		return keptReplaying{rapid.IntRange(-1, receivers-1).Draw(t, "endpoint")}
	case "crash":
		return crash{}
	case "cutting":
		return cutting{one(t, "anything", "letters", "replays"), chance(t, 2)}
	case "failing":
		return failing{one(t, ms(50, 1000, 20_000)...), chance(t, 2), chance(t, 2), chance(t, 2)}
	case "damaging":
		return damaging{rapid.IntRange(0, receivers-1).Draw(t, "endpoint"), rapid.IntRange(0, 20).Draw(t, "nth")}
	case "stopping":
		return stopping{}
	}
	return drawHanding(t, rapid.IntRange(1, 15).Draw(t, "events"))
}

func drawHanding(t *rapid.T, events int) handing {
	h := handing{way: one(t, forReceipt, forReceipts, forNothing)}
	padding := one(t, 0, 0, 500, 2000)
	mixed := chance(t, 2)
	spec := drawEvent(t, padding)
	for range events {
		if mixed {
			spec = drawEvent(t, padding)
		}
		h.events = append(h.events, spec)
	}
	return h
}

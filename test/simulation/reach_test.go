package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestScenariosReachWhatTheyAttack shows that the rules are not kept for want of occasion.
func TestScenariosReachWhatTheyAttack(t *testing.T) {
	reached := map[string]int{}
	for seed := range 300 {
		r := play(t, scenarios().Example(seed))
		require.Nil(t, r.broken)
		for fate, n := range r.root.fates {
			reached["router "+fate] += int(n)
		}
		for _, o := range r.oracles[:len(r.oracles)-1] {
			for fate, n := range o.account.fates {
				reached[fate] += int(n)
			}
			for what, n := range o.seen {
				reached[what] += n
			}
		}
	}
	t.Log(reached)
	for _, what := range []string{
		"router routed", "router unwanted", "router dropped evicted", "router dropped refused", "router dropped too_large", "router dropped closed",
		"delivered", "dropped evicted", "dropped refused", "dropped too_large",
		"dead_lettered rejected", "dead_lettered max_attempts", "dead_lettered panic", "dead_lettered unknown_outcome", "dead_lettered shutdown",
		"dead_lettered max_age", "split", "split when exhausted", "parts of a batch delivered", "breaker opened by refusals", "rest of a probe",
		"last of a burst", "replayed", "replay evicted", "no room for a replay",
		"breaker opened", "pause", "probe", "probe of a drain", "retry evicted", "another class gave way", "probe of another event",
		"dead_lettered give_up_after", "away, though others were delivered", "away for long, but the breaker was open",
		"breaker opened by rejections", "rejected probe kept", "throttled in a row", "throttled together",
		"not processed, the first time", "not processed, again", "local",
	} {
		require.NotZero(t, reached[what], what)
	}
}

package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

var breakerBegan = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// breakerStep is something that happens to a breaker.
type breakerStep func(b *breaker)

func succeeds(b *breaker)  { b.succeed(b.begin()) }
func fails(b *breaker)     { b.fail(b.begin(), breakerBegan) }
func ignored(b *breaker)   { b.ignore(b.begin()) }
func begins(b *breaker)    { b.begin() }
func probesNow(b *breaker) { b.probeNow(breakerBegan) }
func delivers(b *breaker)  { b.deliver(b.begin()) }
func rejects(b *breaker)   { b.reject(b.begin(), breakerBegan) }

func ticks(after time.Duration) breakerStep {
	return func(b *breaker) { b.tick(breakerBegan.Add(after)) }
}

// outlives is a request that goes out before the next steps, and whose result comes after them.
func outlives(result func(b *breaker, generation uint64), steps ...breakerStep) breakerStep {
	return func(b *breaker) {
		generation := b.begin()
		for _, step := range steps {
			step(b)
		}
		result(b, generation)
	}
}

func lateSuccess(b *breaker, generation uint64)   { b.succeed(generation) }
func lateFailure(b *breaker, generation uint64)   { b.fail(generation, breakerBegan.Add(time.Hour)) }
func lateDelivery(b *breaker, generation uint64)  { b.deliver(generation) }
func lateRejection(b *breaker, generation uint64) { b.reject(generation, breakerBegan.Add(time.Hour)) }
func lateIgnored(b *breaker, generation uint64)   { b.ignore(generation) }

// The breaker opens after three failures or four rejections, for a minute.
func TestBreakerTransitions(t *testing.T) {
	opens := []breakerStep{fails, fails, fails}
	refuses := []breakerStep{rejects, rejects, rejects, rejects}
	halfOpens := []breakerStep{fails, fails, fails, ticks(time.Minute)}
	for name, test := range map[string]struct {
		before []breakerStep
		steps  []breakerStep
		state  BreakerState
		allows bool
	}{
		"closed stays closed below the threshold":               {nil, []breakerStep{fails, fails}, BreakerClosed, true},
		"closed opens at the threshold":                         {nil, []breakerStep{fails, fails, fails}, BreakerOpen, false},
		"closed counts consecutive failures only":               {nil, []breakerStep{fails, fails, succeeds, fails, fails}, BreakerClosed, true},
		"closed does not count what it is to ignore":            {nil, []breakerStep{fails, fails, ignored, ignored}, BreakerClosed, true},
		"closed does not mind the time":                         {nil, []breakerStep{fails, fails, ticks(time.Hour)}, BreakerClosed, true},
		"closed lets any number out":                            {nil, []breakerStep{begins, begins, begins}, BreakerClosed, true},
		"open stays open before reset_timeout":                  {opens, []breakerStep{ticks(time.Minute - 1)}, BreakerOpen, false},
		"open goes half open after reset_timeout":               {opens, []breakerStep{ticks(time.Minute)}, BreakerHalfOpen, true},
		"open goes half open when it is to probe now":           {opens, []breakerStep{probesNow}, BreakerHalfOpen, true},
		"open is moved by no late success":                      {nil, []breakerStep{outlives(lateSuccess, opens...)}, BreakerOpen, false},
		"open is moved by no late failure":                      {nil, []breakerStep{outlives(lateFailure, opens...), ticks(time.Minute)}, BreakerHalfOpen, true},
		"half open lets one probe out":                          {halfOpens, []breakerStep{begins}, BreakerHalfOpen, false},
		"half open closes with a success":                       {halfOpens, []breakerStep{succeeds}, BreakerClosed, true},
		"half open opens with one failure":                      {halfOpens, []breakerStep{fails}, BreakerOpen, false},
		"half open probes again when one is ignored":            {halfOpens, []breakerStep{ignored}, BreakerHalfOpen, true},
		"half open is moved by no late success":                 {nil, []breakerStep{outlives(lateSuccess, halfOpens...)}, BreakerHalfOpen, true},
		"half open is moved by no late failure":                 {nil, []breakerStep{outlives(lateFailure, halfOpens...)}, BreakerHalfOpen, true},
		"half open sends no second probe for a late one":        {nil, []breakerStep{outlives(lateIgnored, append(halfOpens, begins)...)}, BreakerHalfOpen, false},
		"closed again counts from the beginning":                {append(halfOpens, succeeds), []breakerStep{fails, fails}, BreakerClosed, true},
		"closed stays closed below the threshold of rejections": {nil, []breakerStep{rejects, rejects, rejects}, BreakerClosed, true},
		"closed opens at the threshold of rejections":           {nil, refuses, BreakerOpen, false},
		"closed counts rejections with no delivery between": {
			nil, []breakerStep{rejects, rejects, rejects, delivers, rejects, rejects, rejects}, BreakerClosed, true,
		},
		"closed counts rejections whatever else is between": {
			nil, []breakerStep{rejects, rejects, fails, succeeds, ignored, rejects, fails, rejects}, BreakerOpen, false,
		},
		"open is moved by no late rejection":     {nil, []breakerStep{outlives(lateRejection, opens...), ticks(time.Minute)}, BreakerHalfOpen, true},
		"half open is moved by no late delivery": {nil, []breakerStep{outlives(lateDelivery, halfOpens...)}, BreakerHalfOpen, true},
		"half open counts a rejection":           {append(halfOpens, rejects, rejects, rejects), []breakerStep{rejects}, BreakerOpen, false},
		"closed counts no late rejection": {
			nil, []breakerStep{outlives(lateRejection, append(halfOpens, succeeds, rejects, rejects, rejects)...)}, BreakerClosed, true,
		},
		"closed forgets rejections for no late delivery": {
			refuses[:3:3], []breakerStep{outlives(lateDelivery, append(halfOpens, succeeds)...), rejects}, BreakerOpen, false,
		},
		"closed by a probe remembers rejections": {append(refuses[:3:3], halfOpens...), []breakerStep{succeeds, rejects}, BreakerOpen, false},
		"closed again is moved by no late failure": {
			nil, []breakerStep{outlives(lateFailure, append(halfOpens, succeeds, fails, fails)...)}, BreakerClosed, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBreaker(0)
			for _, step := range slices.Concat(test.before, test.steps) {
				step(b)
			}
			require.Equal(t, test.state.String(), b.state.String())
			require.Equal(t, test.allows, b.allows())
		})
	}
}

func TestOpenBreakerAddsUpToATenthOfJitter(t *testing.T) {
	for jitter, open := range map[float64]time.Duration{0: time.Minute, 0.5: 63 * time.Second, 1: 66 * time.Second} {
		b := newTestBreaker(jitter)
		for range 3 {
			fails(b)
		}
		ticks(open - time.Millisecond)(b)
		require.Equal(t, BreakerOpen, b.state)
		ticks(open)(b)
		require.Equal(t, BreakerHalfOpen, b.state)
	}
}

func TestOpenTimeIsNotCounted(t *testing.T) {
	b := newTestBreaker(0)
	awake := func(after time.Duration) time.Duration { return b.awake(breakerBegan.Add(after)).Sub(breakerBegan) }
	require.Equal(t, time.Hour, awake(time.Hour))
	for range 3 {
		fails(b)
	}
	require.Zero(t, awake(0))
	require.Zero(t, awake(59*time.Second), "open")
	ticks(70 * time.Second)(b)
	require.Equal(t, 10*time.Second, awake(70*time.Second), "its minute was over ten seconds ago")
	b.fail(b.begin(), breakerBegan.Add(80*time.Second))
	require.Equal(t, 20*time.Second, awake(90*time.Second))
	b.probeNow(breakerBegan.Add(95 * time.Second))
	require.Equal(t, 25*time.Second, awake(100*time.Second))
}

func TestNoNumberOfRejectionsOpensABreakerWithoutThatThreshold(t *testing.T) {
	b := newTestBreaker(0)
	b.settings.RejectionThreshold = config.NoRejectionThreshold
	for range 1000 {
		rejects(b)
	}
	require.Equal(t, BreakerClosed, b.state)
}

func newTestBreaker(jitter float64) *breaker {
	return &breaker{
		settings: config.CircuitBreaker{FailureThreshold: 3, RejectionThreshold: 4, ResetTimeout: time.Minute},
		jitter:   func() float64 { return jitter },
	}
}

package router_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

func TestEventReachesTheEndpointsThatWantIt(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil,
			config.Endpoint{Name: "all"},
			config.Endpoint{Name: "sensors", Events: []string{"message.*"}, TopicFilters: []string{"sensors/#", "+/1"}},
			config.Endpoint{Name: "clients", Events: []string{"client.connected"}},
		)
		require.NoError(t, r.notify("m1", "sensors/1"))
		require.NoError(t, r.notify("m2", "other/2"))
		require.NoError(t, r.Notify(context.Background(), &messages.ClientConnected{ClientID: "c"}))
		advance(0)

		require.Len(t, r.receivers["all"].arrivals(), 3)
		require.Equal(t, []string{"m1"}, r.receivers["sensors"].ids())
		require.Len(t, r.receivers["clients"].arrivals(), 1)
		require.Contains(t, r.receivers["clients"].arrivals()[0].body, `"event_type":"client.connected"`)
		require.Contains(t, r.receivers["clients"].arrivals()[0].body, `"broker_id":"broker-1"`)
	})
}

func TestUnwantedEventsAreCounted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Events: []string{"auth.failure"}})
		r.notifyMany(1, 3)
		advance(0)
		mailbox := r.Stats().Mailbox
		require.EqualValues(t, 3, mailbox.Accepted)
		require.EqualValues(t, 3, mailbox.Of(delivery.Unwanted))
	})
}

func TestRetriesFollowTheFormulaToTheMillisecond(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, func(w *config.Webhook) {
			w.Defaults.Retry.MaxAttempts = 8
			w.Defaults.CircuitBreaker.FailureThreshold = 100
		}, config.Endpoint{Name: "a"})
		r.receivers["a"].answers(always(serverError))
		require.NoError(t, r.notify("e", "t"))
		advance(time.Hour)

		seconds := time.Second
		require.Equal(t, []time.Duration{0, 1 * seconds, 3 * seconds, 7 * seconds, 15 * seconds, 31 * seconds, 61 * seconds, 91 * seconds},
			r.receivers["a"].times("e"))
		require.EqualValues(t, 1, r.endpoint("a").Of(delivery.DeadMaxAttempts))
	})
}

func TestEveryAttemptSendsTheSameBytes(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		r.receivers["a"].answers(always(serverError))
		require.NoError(t, r.Notify(context.Background(), &messages.MessagePublished{ClientID: "c", Topic: "t"}))
		advance(time.Minute)

		arrivals := r.receivers["a"].arrivals()
		require.Len(t, arrivals, 3)
		require.Equal(t, arrivals[0].body, arrivals[1].body)
		require.Equal(t, arrivals[0].body, arrivals[2].body)
	})
}

func TestAnHourAwayLosesNothing(t *testing.T) {
	for name, outage := range map[string]messages.Outcome{
		"no connection": refused, "an expired token": unauthorized, "throttled": throttled, "no descriptor": noDescriptor, "streams refused": streamRefused,
	} {
		for _, workers := range []int{1, 5} {
			for _, every := range []time.Duration{time.Minute, time.Second} {
				t.Run(fmt.Sprintf("%s, workers %d, an event every %v", name, workers, every), func(t *testing.T) {
					virtually(t, func(t *testing.T) { loseNothing(t, outage, workers, every) })
				})
			}
		}
	}
}

// loseNothing hands events over at this rate to an endpoint that is out for an hour, with default settings but queue_size.
func loseNothing(t *testing.T, outage messages.Outcome, workers int, every time.Duration) {
	events := int(time.Hour / every)
	r := newRig(t, func(w *config.Webhook) { w.QueueSize = max(events, 100) }, config.Endpoint{Name: "a", Workers: workers})
	r.receivers["a"].answers(func(int, *messages.Envelope) messages.Outcome {
		if time.Since(r.began) < time.Hour {
			return outage
		}
		return ok
	})
	for i := range events {
		require.NoError(t, r.notify(fmt.Sprintf("e%d", i), "t"))
		advance(every)
	}
	advance(5 * time.Minute)

	stats := r.endpoint("a")
	require.EqualValues(t, events, stats.Of(delivery.Delivered))
	require.Zero(t, stats.Total(delivery.KindDeadLettered))
	require.Zero(t, stats.Total(delivery.KindDropped))
	if workers == 1 {
		require.True(t, slices.IsSortedFunc(r.delivered("a"), byNumber), "in order")
	}
}

func TestEndpointThatRefusesMostRequestsForADayLosesNothing(t *testing.T) {
	for name, refusal := range map[string]messages.Outcome{"503": unavailable, "429": throttled} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				r := newRig(t, nil, config.Endpoint{Name: "a"})
				r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
					if nth*617_929%999_983%3 > 0 { // 999,983 is prime
						return refusal
					}
					return ok
				})
				const events = 24 * 60
				for i := range events {
					require.NoError(t, r.notify(fmt.Sprintf("e%d", i), "t"))
					advance(time.Minute)
				}
				r.receivers["a"].answers(always(ok))
				advance(5 * time.Minute)
				require.EqualValues(t, events, r.endpoint("a").Of(delivery.Delivered))
			})
		})
	}
}

func TestEndpointThatRejectsEverythingCostsRejectionThreshold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 1})
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 1000)
		advance(time.Minute)
		require.EqualValues(t, 20, r.endpoint("a").Of(delivery.DeadRejected))
		require.Equal(t, 980, r.endpoint("a").Held())

		r.receivers["a"].answers(always(ok))
		advance(time.Minute)
		require.EqualValues(t, 980, r.endpoint("a").Of(delivery.Delivered))
	})
}

// delivered are the ids of the events that arrived, each where it arrived last.
func (r *rig) delivered(name string) []string {
	ids := r.receivers[name].ids()
	last := map[string]int{}
	for i, id := range ids {
		last[id] = i
	}
	var delivered []string
	for i, id := range ids {
		if last[id] == i {
			delivered = append(delivered, id)
		}
	}
	return delivered
}

func byNumber(a, b string) int {
	var x, y int
	_, _ = fmt.Sscanf(a, "e%d", &x)
	_, _ = fmt.Sscanf(b, "e%d", &y)
	return x - y
}

func TestOpenBreakerSpendsNoAttempt(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 1})
		r.receivers["a"].answers(always(refused))
		require.NoError(t, r.notify("e", "t"))
		advance(15 * time.Second) // attempts at 0, 1, 3, 7 and 15 s: the fifth failure opens the breaker
		require.Len(t, r.receivers["a"].arrivals(), 5)
		require.Equal(t, delivery.BreakerOpen, r.endpoint("a").Breaker)
		require.Equal(t, 1, r.log.count("circuit breaker opened"))

		advance(59 * time.Second)
		require.Len(t, r.receivers["a"].arrivals(), 5)
		advance(7 * time.Second) // reset_timeout and at most 10 % of jitter
		require.Len(t, r.receivers["a"].arrivals(), 6)
		require.Equal(t, delivery.BreakerOpen, r.endpoint("a").Breaker)

		r.receivers["a"].answers(always(ok))
		advance(66 * time.Second)
		require.Equal(t, delivery.BreakerClosed, r.endpoint("a").Breaker)
		require.EqualValues(t, 1, r.endpoint("a").Of(delivery.Delivered))
		require.Equal(t, 1, r.log.count("circuit breaker closed"))
	})
}

func TestBreakersOfEndpointsDoNotProbeAtOnce(t *testing.T) {
	virtually(t, func(t *testing.T) {
		var endpoints []config.Endpoint
		for i := range 50 {
			endpoints = append(endpoints, config.Endpoint{Name: fmt.Sprint(i), CircuitBreaker: config.CircuitBreaker{FailureThreshold: 1}})
		}
		r := newRig(t, nil, endpoints...)
		for _, receiver := range r.receivers {
			receiver.answers(always(refused))
		}
		require.NoError(t, r.notify("e", "t"))
		advance(67 * time.Second)

		probes := map[time.Duration]bool{}
		for _, receiver := range r.receivers {
			times := receiver.times("e")
			require.Len(t, times, 2)
			require.GreaterOrEqual(t, times[1], 60*time.Second)
			require.LessOrEqual(t, times[1], 66*time.Second)
			probes[times[1]] = true
		}
		require.Greater(t, len(probes), 40)
	})
}

func TestHungEndpointSlowsNoOther(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "hung"}, config.Endpoint{Name: "fast"})
		r.receivers["hung"].takes(time.Hour)
		r.notifyMany(1, 1000)
		advance(0)
		require.EqualValues(t, 1000, r.endpoint("fast").Of(delivery.Delivered))
		require.Equal(t, 5, r.endpoint("hung").InFlight)
		require.Equal(t, 995, r.endpoint("hung").Waiting)
	})
}

func TestNoMoreThanWorkersAreInFlight(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 7})
		r.receivers["a"].takes(time.Second)
		r.notifyMany(1, 100)
		advance(time.Minute)
		require.Equal(t, 7, r.receivers["a"].most)
		require.EqualValues(t, 100, r.endpoint("a").Of(delivery.Delivered))
	})
}

func TestEndOfAnAttemptLetsTheNextEventGoAtOnce(t *testing.T) {
	for name, end := range map[string]messages.Outcome{"delivered": ok, "rejected": badRequest, "throttled for no time": busy(0)} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 2})
				r.receivers["a"].takes(time.Second)
				r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
					if nth <= 2 {
						return end
					}
					return ok
				})
				r.notifyMany(1, 4)
				advance(time.Minute)
				for i, want := range []time.Duration{0, 0, time.Second, time.Second} {
					require.Equal(t, want, r.receivers["a"].times(fmt.Sprintf("e%d", i+1))[0])
				}
			})
		})
	}
}

func TestRetryAfterPausesTheWholeEndpoint(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Retry: config.Retry{MaxAttempts: 2}})
		r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
			if nth <= 3 {
				return busy(10 * time.Second)
			}
			return ok
		})
		require.NoError(t, r.notify("e1", "t"))
		advance(time.Second)
		require.NoError(t, r.notify("e2", "t"))
		advance(time.Minute)

		require.Equal(t, []time.Duration{0, 10 * time.Second, 20 * time.Second}, r.receivers["a"].times("e1")[:3])
		require.GreaterOrEqual(t, r.receivers["a"].times("e2")[0], 10*time.Second)
		require.EqualValues(t, 2, r.endpoint("a").Of(delivery.Delivered), "a pause is charged to no event")
	})
}

func TestPoisonousEventCostsItselfAlone(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a"})
		r.receivers["a"].answers(func(_ int, event *messages.Envelope) messages.Outcome {
			if event.ID == "e3" {
				return serverError
			}
			return ok
		})
		r.notifyMany(1, 20)
		advance(time.Minute)
		stats := r.endpoint("a")
		require.EqualValues(t, 19, stats.Of(delivery.Delivered))
		require.EqualValues(t, 1, stats.Of(delivery.DeadMaxAttempts))
		letters := r.DeadLetters()
		require.Len(t, letters, 1)
		require.Equal(t, "e3", letters[0].Event.ID)
		require.Equal(t, 3, letters[0].Attempts)
		require.Equal(t, 500, letters[0].LastStatus)
		require.Equal(t, "oops", letters[0].LastAnswer)
		require.Equal(t, "max_attempts", letters[0].Reason)
	})
}

func TestFiveRejectionsOpenNoBreaker(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", Workers: 1})
		r.receivers["a"].answers(func(nth int, _ *messages.Envelope) messages.Outcome {
			if nth <= 5 {
				return badRequest
			}
			return ok
		})
		r.notifyMany(1, 205)
		advance(0)
		require.EqualValues(t, 200, r.endpoint("a").Of(delivery.Delivered))
		require.EqualValues(t, 5, r.endpoint("a").Of(delivery.DeadRejected))
	})
}

func TestFailingEndpointDoesNotFloodTheLog(t *testing.T) {
	virtually(t, func(t *testing.T) {
		r := newRig(t, nil, config.Endpoint{Name: "a", CircuitBreaker: config.CircuitBreaker{RejectionThreshold: config.NoRejectionThreshold}})
		r.receivers["a"].answers(always(badRequest))
		r.notifyMany(1, 1000)
		advance(11 * time.Second)
		r.notifyMany(1001, 1001)
		advance(0)
		require.Equal(t, 2, r.log.count("attempt failed"))
		require.Equal(t, 1, r.log.count("left_out=999"))
		advance(11 * time.Second)
		r.notifyMany(1002, 1002)
		advance(0)
		require.Equal(t, 3, r.log.count("attempt failed"))
		require.Equal(t, 1, r.log.count("left_out"), "where none was left out the line does not say so")
	})
}
